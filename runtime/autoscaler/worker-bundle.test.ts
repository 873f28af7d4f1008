import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { childrenOf } from "../../core/processes/process-tree.ts";
import { deployRevision } from "../../core/store/functions/deploy.ts";
import { newId } from "../../core/store/ids.ts";
import { findRun } from "../../core/store/runs/read.ts";
import { queueInvocation, revision } from "../../core/store/testing/samples.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { buildRevision } from "../../functions/build/build-revision.ts";
import { stopCompiler } from "../../functions/build/compiler.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { startCommand } from "../../test/support/processes.ts";
import { findExecutor } from "../sandbox/parent/holding-processes.ts";
import { launchWorker } from "./launch-worker.ts";
import { bundleWorker } from "./worker-bundle.ts";
import { EXPECTED_REVISION, nodeArguments, WORKER_SOURCES } from "./worker-program.ts";

after(stopCompiler);

const fail = (error: unknown) => assert.fail(error as Error);

test("a worker from the bundle, and from its snapshot, runs functions as one from the sources does, also when the bundle has gone with its maker", async (t) => {
  const bundle = bundleWorker({ onError: fail });
  t.after(() => bundle.remove());
  assert.equal(bundle.program(), WORKER_SOURCES, "until it is made");
  await bundle.settled();
  const { main, compileCache, snapshot } = bundle.program();
  const { store, db, url, newNamespace } = await openTestStore(createTestDatabase);
  const namespaceId = await newNamespace();
  const server = createServer((_, response) => response.end("42")).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  // What a start does without is loaded by then: the way out, cron expressions.
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const files = {
    "index.ts": `export default async (_, ctx) => {
      await ctx.kv.set("answer", await (await fetch("${target}")).text());
      return await ctx.kv.get("answer");
    };`,
  };
  const { code } = await buildRevision({ files, entry: "index.ts" });
  const { revisionId } = await deployRevision(db, namespaceId, "sample", revision(code, {}));
  const text = readFileSync(main, "utf8");
  assert.ok(!text.includes("llhttp"), "the HTTP client is a file of its own");
  // One other letter, and V8 keeps the whole text at two bytes a letter, in each worker.
  assert.equal(/[^\p{ASCII}]/u.exec(text), null);
  const startWorker = async (from: string | undefined, expectedRevisionId: string) => {
    const worker = startCommand("worker", [process.execPath, ...nodeArguments({ main, snapshot: from })], {
      ...{ DATABASE_URL: url, PORT: "0", HOST: "127.0.0.1", NODE_COMPILE_CACHE: compileCache! },
      ...{ EGRESS_ALLOW: "127.0.0.0/8", [EXPECTED_REVISION]: expectedRevisionId },
    });
    await worker.waitForLine(/worker started/);
    return worker;
  };
  /** Until somebody waits for the revision: nobody has called it yet. */
  const withRevisionsLocked = async <T>(start: () => Promise<T>): Promise<T> => {
    const locker = await store.pool.connect();
    await locker.query("BEGIN");
    await locker.query("SET LOCAL idle_in_transaction_session_timeout TO 0");
    await locker.query("LOCK TABLE function_revisions");
    try {
      const started = await start();
      await until(async () => {
        const { rows } = await store.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND application_name = 'bellhop-worker'
            AND query = 'SELECT code, limits, reuse FROM function_revisions WHERE id = $1'`,
        );
        return rows.length > 0 ? true : undefined;
      });
      return started;
    } finally {
      await locker.query("ROLLBACK");
      locker.release();
    }
  };
  const runOnce = async () => {
    const runId = await queueInvocation(store, namespaceId, "sample", { timeoutMs: 30_000 });
    const run = await until(async () => {
      const found = await findRun(store, namespaceId, runId);
      return found?.finishedAt ? found : undefined;
    });
    assert.equal(run.state, "succeeded", JSON.stringify(run));
  };
  // Started for a call of a revision that has gone meanwhile.
  const worker = await startWorker(undefined, newId());
  await runOnce();
  await worker.stop();
  assert.deepEqual(await worker.exited, { code: 0, signal: null });
  assert.ok(snapshot);
  const begunAt = Date.now() / 1_000;
  const survivor = await withRevisionsLocked(() => startWorker(snapshot, revisionId));
  await bundle.remove();
  await runOnce();
  if (process.platform === "linux") {
    const executors = childrenOf(survivor.pid).map(findExecutor);
    assert.ok(executors.length > 0);
    for (const executor of executors)
      assert.match(readFileSync(`/proc/${executor}/cmdline`, "latin1"), /executor\.code/, "started with it");
  }
  const { port, pid, workerId } = survivor.logs.find(({ msg }) => msg === "worker started")!;
  assert.equal(pid, survivor.pid);
  assert.notEqual(workerId, worker.logs.find(({ msg }) => msg === "worker started")!["workerId"]);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const startedAt = Number(/^process_start_time_seconds\S* (\d+)/m.exec(metrics)?.[1]);
  assert.ok(startedAt >= Math.floor(begunAt) && startedAt <= Date.now() / 1_000 + 1, "not its snapshot's");
  await survivor.stop();
  assert.deepEqual(await survivor.exited, { code: 0, signal: null });
  assert.equal(existsSync(main), false);
  assert.equal(bundle.program(), WORKER_SOURCES);
});

test("a worker that is stopped while it lays out the walls of its executors ends cleanly, and leaves none behind", async (t) => {
  const bundle = bundleWorker({ onError: fail });
  t.after(() => bundle.remove());
  await bundle.settled();
  const { main, snapshot } = bundle.program();
  const { url } = await openTestStore(createTestDatabase);
  for (const from of [undefined, snapshot])
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const folder = mkdtempSync(join(tmpdir(), "bellhop-worker-bundle-"));
      const watcher = watch(folder);
      t.after(() => {
        watcher.close();
        rmSync(folder, { recursive: true });
      });
      const laidOut = once(watcher, "change", { signal: t.signal });
      const worker = startCommand("worker", [process.execPath, ...nodeArguments({ main, snapshot: from })], {
        ...{ DATABASE_URL: url, PORT: "0", HOST: "127.0.0.1", TMPDIR: folder },
      });
      await laidOut;
      worker.signal(signal);
      assert.deepEqual(await worker.exited, { code: 0, signal: null });
      assert.deepEqual(readdirSync(folder), []);
    }
});

test("uploads are built while it is made, and neither ends the other", async (t) => {
  const large = Array.from({ length: 20_000 }, (_, i) => `export const value${i}: number = ${i};`).join("\n");
  const files = { "index.ts": `export default () => 1;\n${large}` };
  const bundle = bundleWorker({ onError: fail });
  t.after(() => bundle.remove());
  let isMade = false;
  void bundle.settled().then(() => {
    isMade = true;
  });
  do await buildRevision({ files, entry: "index.ts" });
  while (!isMade);
  assert.notEqual(bundle.program(), WORKER_SOURCES);
});

test("where node refuses the snapshot workers start without it; where a part was cleared away they start from the sources until it is made anew", async (t) => {
  const bundle = bundleWorker({ onError: fail });
  t.after(() => bundle.remove());
  await bundle.settled();
  const whole = bundle.program();
  const { main, snapshot } = whole;
  writeFileSync(snapshot!, "of another node");
  const dropped: string[] = [];
  const launch = () => launchWorker(bundle, {}, (detail) => dropped.push(detail));
  // Both before it is known.
  await Promise.all([launch().exited, launch().exited]);
  assert.equal(dropped.length, 1);
  assert.deepEqual(bundle.program(), { ...whole, snapshot: undefined });
  rmSync(main);
  assert.equal(bundle.program(), WORKER_SOURCES);
  await bundle.settled();
  const anew = bundle.program().main;
  assert.ok(anew !== main && existsSync(anew));
});

test("where it cannot be made workers start from the sources, and somebody hears why", async () => {
  const errors: unknown[] = [];
  const bundle = bundleWorker({ onError: (error) => errors.push(error), parent: "/nowhere" });
  await bundle.settled();
  assert.match(String(errors[0]), /ENOENT.*\/nowhere/);
  assert.equal(bundle.program(), WORKER_SOURCES);
  await bundle.remove();
});
