/** Makes the package `bellhop` in client/dist: the types of the API's document, the client, and the authors' types. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import openapiTs, { astToString, type OpenAPI3 } from "openapi-typescript";
import { apiFeatures } from "../api/features.ts";
import { describeApi } from "../api/openapi/document.ts";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { trueTime } from "../core/schedule-time.ts";

const run = promisify(execFile);
const CLIENT = import.meta.dirname;
const ROOT = join(CLIENT, "..");
const DIST = join(CLIENT, "dist");
const CJS = join(DIST, "cjs");

async function buildClient(): Promise<void> {
  await rm(DIST, { recursive: true, force: true });
  await mkdir(CJS, { recursive: true });
  // The compiler resolves it beside the client's source, and copies no declarations.
  const types = join(CLIENT, "api.d.ts");
  await writeFile(types, await describeTypes());
  await compile();
  await compile("--outDir", CJS, ...AS_COMMONJS);
  await writeFile(join(CJS, "package.json"), JSON.stringify({ type: "commonjs" }));
  for (const folder of [DIST, CJS]) {
    await copyFile(types, join(folder, "api.d.ts"));
    await copyFile(join(ROOT, "functions", "bellhop.d.ts"), join(folder, "author.d.ts"));
  }
  await copyFile(join(ROOT, "LICENSE"), join(CLIENT, "LICENSE"));
}

/** For projects whose modules are CommonJS, and for older compilers. */
const AS_COMMONJS = [
  ...["--module", "commonjs", "--moduleResolution", "bundler", "--verbatimModuleSyntax", "false"],
  "--esModuleInterop",
];

const compile = (...options: string[]) =>
  run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", CLIENT, ...options]);

/** As `/openapi.json` describes it where the operator says nothing. */
async function describeTypes(): Promise<string> {
  const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
  const features = apiFeatures({ clock: systemClock, time: trueTime(systemClock), functionCaps });
  const document = JSON.parse(JSON.stringify(describeApi(features))) as OpenAPI3;
  // A default of a body is the API's to fill in: whoever sends one need not.
  return astToString(await openapiTs(document, { defaultNonNullable: false, alphabetize: false }));
}

await buildClient();
