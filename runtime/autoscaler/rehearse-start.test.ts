import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { bundleWorkerProgram } from "./bundle-worker-program.ts";
import { rehearseStart } from "./rehearse-start.ts";
import { makeWorkerSnapshot } from "./worker-snapshot.ts";

const { signal } = new AbortController();

test("a rehearsed start leaves compiled code for the snapshot, with nothing of its settings in it, and no worker", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-rehearse-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const { url, store } = await openTestStore(createTestDatabase);
  const files = await bundleWorkerProgram(folder);
  const [from, key] = ["marked-sender@example.com", Buffer.alloc(32, "marked-key-").toString("base64")];
  const code = await rehearseStart(
    files,
    folder,
    {
      ...{ PATH: process.env["PATH"], DATABASE_URL: url, PORT: "0", HOST: "127.0.0.1" },
      ...{ EMAIL_URL: "smtp://127.0.0.1:9", EMAIL_FROM: from, BELLHOP_SECRETS_KEY: key },
    },
    signal,
  );
  const { rows } = await store.pool.query("SELECT id FROM workers");
  assert.deepEqual(rows, []);

  const make = (name: string, given: string | undefined) => {
    const inside = join(folder, name);
    mkdirSync(inside);
    return makeWorkerSnapshot(files, given, inside, signal);
  };
  const [rehearsed, loaded] = [await make("rehearsed", code), await make("loaded", undefined)].map((path) =>
    readFileSync(path),
  );
  assert.ok(rehearsed!.length > loaded!.length + 100_000, "V8 has taken the code");
  for (const kept of [readFileSync(code), rehearsed!])
    for (const setting of [from, key, url, "marked-key-"])
      for (const encoding of ["latin1", "utf16le"] as const)
        assert.equal(kept.indexOf(Buffer.from(setting, encoding)), -1, setting);
});

test("where a worker could not start the rehearsal fails as it would", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-rehearse-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = await bundleWorkerProgram(folder);
  await assert.rejects(
    rehearseStart(files, folder, { PATH: process.env["PATH"] }, signal),
    /DATABASE_URL is required/,
  );
});
