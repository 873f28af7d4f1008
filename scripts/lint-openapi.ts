/** Holds the API's document to Redocly's recommended rules; needs no network. Ends with status 1 at the first fault. */
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { apiFeatures } from "../api/features.ts";
import { describeApi } from "../api/openapi/document.ts";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { trueTime } from "../core/schedule-time.ts";

const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
const document = describeApi(apiFeatures({ clock: systemClock, time: trueTime(systemClock), functionCaps }));
// The root does nothing but lead to the console.
const rules = { "operation-2xx-response": "off" } as const;
const config = await createConfig({ extends: ["recommended"], rules });
const problems = await lintFromString({ source: JSON.stringify(document), config });

for (const { ruleId, message, location } of problems)
  console.error(`${ruleId}: ${message} (${location[0]?.pointer})`);
if (problems.length > 0) process.exitCode = 1;
else console.log(`The API's document: ${Object.keys(document.paths ?? {}).length} paths, no problems.`);
