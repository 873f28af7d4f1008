/** What a run of all tests bundles (bundles.ts), and where it is found then. */
import { join } from "node:path";

/** Programs of roles, from the root of the repository. */
export const ROLES: readonly string[] = [
  "api/main.ts",
  "scheduler/main.ts",
  "runtime/main.ts",
  "runtime/autoscaler/main.ts",
  "standalone/main.ts",
];

/** As they are imported: all that lead to the same modules, which must not come twice. */
export const PACKAGES: readonly string[] = ["kysely", "kysely/migration"];

/** A flag for the processes of test files. A URL: the path of a checkout may have a # or a %. */
export const LOAD_PACKAGES = `--import=${new URL("bundled-packages.ts", import.meta.url).href}`;

/** In the folder of bundles. */
export const bundleOf = (file: string): string => file.replace(/\.ts$/, ".js");

/** What the process of a role is started from: its bundle where there is one; any other program, its source. */
export function chooseProgram(file: string): string {
  const folder = process.env["TEST_BUNDLES"];
  return folder !== undefined && ROLES.includes(file) ? join(folder, bundleOf(file)) : file;
}
