import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { build, stop } from "esbuild";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "bellhop-alike-"));
const [main, snapshot] = [join(folder, "main.cjs"), join(folder, "main.blob")];
after(async () => {
  rmSync(folder, { recursive: true });
  await stop();
});

/** Of a program that does the one while it is loaded, and prints the other when it starts. */
async function makeSnapshot(loaded: string, printed: string): Promise<void> {
  const contents = `
    import "./load-alike.ts";
    import crypto from "node:crypto";
    import { startupSnapshot } from "node:v8";
    import { endLoading } from "./load-alike.ts";
    ${loaded};
    endLoading();
    startupSnapshot.setDeserializeMainFunction(() => console.log(${printed}));`;
  const stdin = { contents, resolveDir: import.meta.dirname, loader: "ts" } as const;
  await build({ stdin, outfile: main, bundle: true, platform: "node", format: "cjs", logLevel: "silent" });
  await run(process.execPath, ["--no-warnings", "--build-snapshot", "--snapshot-blob", snapshot, main]);
}

const print = async () => (await run(process.execPath, ["--snapshot-blob", snapshot, main])).stdout;

test("two processes from one snapshot draw different values, also by a name that was kept while it was loaded", async () => {
  await makeSnapshot("const { randomUUID } = crypto", "randomUUID(), crypto.randomUUID(), Math.random()");
  const [one, other] = [(await print()).split(" "), (await print()).split(" ")];
  assert.equal(new Set([...one, ...other]).size, 6);
});

for (const asked of [
  "crypto.randomUUID()",
  "crypto.randomBytes(8)",
  "crypto.randomFillSync(new Uint8Array(8))",
  "Math.random()",
  "Date.now()",
])
  test(`no snapshot is made of a program that is loaded with ${asked}`, async () => {
    await assert.rejects(makeSnapshot(`globalThis.kept = ${asked}`, "0"), /while it is loaded/);
  });
