/**
 * Loaded before each test file of a run that has bundled them (bundles.ts): Kysely, which hundreds of files import, is two
 * hundred and fifty modules, more than half of the processor time that such a file takes to load. The project's own
 * sources are loaded one by one, as always.
 */
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LOAD_PACKAGES, PACKAGES } from "./bundled.ts";

const folder = process.env["TEST_BUNDLES"];
if (folder !== undefined) {
  const urls = new Map(PACKAGES.map((name) => [name, pathToFileURL(join(folder, `${name}.js`)).href]));
  registerHooks({
    resolve(specifier, context, next) {
      const url = urls.get(specifier);
      return url === undefined ? next(specifier, context) : { url, format: "module", shortCircuit: true };
    },
  });
}
// Not for processes that the test forks: they are started as they would be without us.
process.execArgv.splice(
  0,
  process.execArgv.length,
  ...process.execArgv.filter((flag) => flag !== LOAD_PACKAGES),
);
