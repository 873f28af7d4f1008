/**
 * Makes the isolate snapshot of the guest's script and the scripts of node: modules:
 * `node --no-node-snapshot make-snapshot.ts FILE MODULES_FILE`. A process of its own, because it needs the V8 flags that
 * executors have.
 */
import { writeFileSync } from "node:fs";
import ivm from "isolated-vm";
import { GUEST_FILENAME } from "../limits.ts";
import { WEB_WARM_UP } from "../web/warm-up.ts";
import { bundleGuest } from "./bundle-guest.ts";
import { bundleNodeModules } from "./bundle-node-modules.ts";

const [file, modulesFile] = process.argv.slice(2);
if (file === undefined || modulesFile === undefined) throw new Error("Name the files to write.");
writeFileSync(modulesFile, JSON.stringify(await bundleNodeModules()));
const code = await bundleGuest();
const snapshot = ivm.Isolate.createSnapshot([{ code, filename: GUEST_FILENAME }], WEB_WARM_UP);
writeFileSync(file, Buffer.from(snapshot.copy()));
