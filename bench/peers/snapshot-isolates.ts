/** Run as a program of its own, as executors are: times isolates that are made of the guest's snapshot, and prints JSON. */
import { readFileSync } from "node:fs";
import ivm from "isolated-vm";
import { guestSnapshotPath } from "../../functions/guest/build/guest-snapshot.ts";

const MEMORY_MB = 128;
const count = Number(process.argv[2]);
const bytes = new Uint8Array(readFileSync(guestSnapshotPath())).buffer;
const snapshot = new ivm.ExternalCopy(bytes, { transferOut: true });
const tookMs: number[] = [];
for (let nth = 0; nth < count; nth += 1) {
  const beganMs = performance.now();
  const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB, snapshot });
  const context = await isolate.createContext();
  if ((await context.eval("1 + 1")) !== 2) throw new Error("an isolate cannot add");
  tookMs.push(performance.now() - beganMs);
  isolate.dispose();
}
process.stdout.write(JSON.stringify(tookMs));
