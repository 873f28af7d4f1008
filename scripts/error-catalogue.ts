/** Generates docs/errors.md: every error that people see, by its code. `npm run error-catalogue` writes it. */
import { writeFile } from "node:fs/promises";
import { describeOrigin, type ErrorEntry, listErrors } from "../api/docs/list-errors.ts";
import { apiFeatures } from "../api/features.ts";
import { CLI_CODES } from "../cli/failure-codes.ts";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { trueTime } from "../core/schedule-time.ts";

export const CATALOGUE_FILE = new URL("../docs/errors.md", import.meta.url);

const HEAD = `# Errors

What to do about each error, by its code. This page is generated from the code by \`npm run error-catalogue\`. Every API serves it too, at \`/docs/errors\`.

The API returns errors as [problem documents](api.md#problems): \`code\` is listed below, \`detail\` says what was wrong this time, \`errors\` names fields. A failed run has its code in \`error.code\`; [api.md](api.md#runs) says which codes are retried automatically. A waiting caller gets a run's code as a problem.
`;

export function describeErrors(): string {
  const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
  const features = apiFeatures({ clock: systemClock, time: trueTime(systemClock), functionCaps });
  const entries = listErrors(features.flatMap(({ routes }) => routes));
  const own = Object.entries(CLI_CODES).map(
    ([code, [meaning, remedy]]) => `### ${code}\n\n${meaning}\n\n**Do:** ${remedy}\n`,
  );
  return [
    HEAD,
    "## Errors of the API and of runs\n",
    ...entries.map(describeError),
    "## Errors of the command line\n",
    "What `bellhop --json` reports in addition to the API's own codes.\n",
    ...own,
  ].join("\n");
}

const describeError = (entry: ErrorEntry) =>
  `### ${entry.code}\n\n*${describeOrigin(entry)}.* ${entry.meaning}\n\n**Do:** ${entry.remedy}\n`;

if (import.meta.main) await writeFile(CATALOGUE_FILE, describeErrors());
