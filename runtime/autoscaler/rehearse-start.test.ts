import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { openBells } from "../../core/store/poll-bells.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { bundleWorkerProgram } from "./bundle-worker-program.ts";
import { rehearseStart } from "./rehearse-start.ts";
import { makeWorkerSnapshot } from "./worker-snapshot.ts";

const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), "bellhop-rehearse-"));
after(() => rmSync(folder, { recursive: true }));
// Executors with users of their own pass.
chmodSync(folder, 0o711);
const files = await bundleWorkerProgram(folder);
/** Where nothing listens. */
const AWAY = "postgres://postgres@127.0.0.1:9/none";

/** A folder, and a worker's environment with that for its temporary files. */
function openStage(name: string, databaseUrl: string, more: NodeJS.ProcessEnv = {}) {
  const stage = join(folder, name);
  const temporary = join(stage, "tmp");
  mkdirSync(temporary, { recursive: true });
  const env = {
    ...{ PATH: process.env["PATH"], TMPDIR: temporary, DATABASE_URL: databaseUrl },
    ...{ PORT: "0", HOST: "127.0.0.1", ...more },
  };
  return { stage, env, left: () => ({ files: readdirSync(temporary), processes: findProcesses(stage) }) };
}

const NOTHING = { files: [], processes: [] };

/** By their arguments, or by what is mounted for them: an executor's root lies in a folder of its worker's. */
function findProcesses(stage: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return ["cmdline", "mountinfo"].some((name) =>
        readFileSync(`/proc/${pid}/${name}`, "latin1").includes(stage),
      );
    } catch {
      // It has just gone.
      return false;
    }
  });
}

test("a rehearsed start leaves compiled code for the snapshot, with nothing of its settings in it, and no trace", async () => {
  const { url, store } = await openTestStore(createTestDatabase);
  const bells: string[] = [];
  const heard = Promise.withResolvers<void>();
  const listener = await openBells(store, systemClock, assert.ifError);
  await listener.on("bellhop_workers", () => bells.push("a worker"));
  const [from, key] = ["marked-sender@example.com", Buffer.alloc(32, "marked-key-").toString("base64")];
  const settings = { EMAIL_URL: "smtp://127.0.0.1:9", EMAIL_FROM: from, BELLHOP_SECRETS_KEY: key };
  const { stage, env, left } = openStage("whole", url, settings);
  const code = await rehearseStart(files, stage, env, signal);
  assert.deepEqual(left(), NOTHING);
  const { rows } = await store.pool.query("SELECT id FROM workers");
  assert.deepEqual(rows, []);
  // What was rung before is heard before.
  await listener.on("bellhop_queues", ({ resync }) => resync || heard.resolve());
  await store.pool.query("SELECT pg_notify('bellhop_queues', '')");
  await heard.promise;
  await listener.close();
  assert.deepEqual(bells, []);

  const errors: unknown[] = [];
  const make = async (name: string, given: string | undefined) => {
    const inside = join(folder, name);
    mkdirSync(inside);
    return readFileSync(
      await makeWorkerSnapshot(files, given, inside, signal, (error) => errors.push(error)),
    );
  };
  const [rehearsed, loaded] = [await make("rehearsed", code), await make("loaded", undefined)];
  assert.ok(rehearsed.length > loaded.length + 100_000, "V8 has taken the code");
  for (const kept of [readFileSync(code), rehearsed])
    for (const setting of [from, key, url, "marked-key-"])
      for (const encoding of ["latin1", "utf16le"] as const)
        assert.equal(kept.indexOf(Buffer.from(setting, encoding)), -1, setting);
  assert.deepEqual(errors, []);

  const alien = join(folder, "alien.code");
  writeFileSync(alien, Buffer.alloc(10_000, "of another V8"));
  await make("refused", alien);
  assert.match(String(errors), /^Error: V8 refused the compiled code/);
});

test("where a worker could not start the rehearsal fails as it would", async () => {
  await assert.rejects(
    rehearseStart(files, folder, { PATH: process.env["PATH"] }, signal),
    /DATABASE_URL is required/,
  );
});

test("one that takes too long is stopped, and is none", async () => {
  const { stage, env, left } = openStage("late", AWAY);
  await assert.rejects(rehearseStart(files, stage, env, signal, 1_000), /took more than 1000 ms/);
  assert.equal(existsSync(join(stage, "main.code")), false);
  assert.deepEqual(left(), NOTHING);
});

test("when it is called off nothing of it is left by the time that it is told", async () => {
  const { stage, env, left } = openStage("off", AWAY);
  const off = new AbortController();
  const rehearsing = assert.rejects(rehearseStart(files, stage, env, off.signal), /called off/);
  await until(async () => left().files.length > 0 || undefined);
  assert.notDeepEqual(left().processes, []);
  off.abort(new Error("called off"));
  await rehearsing;
  assert.equal(existsSync(join(stage, "main.code")), false);
  assert.deepEqual(left(), NOTHING);
});
