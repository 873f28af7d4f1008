/** `npm start`'s program: everything on one machine, kept between starts, drained by one signal. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { childrenOf } from "../../core/processes/process-tree.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";
import { type ApiClient, createClient } from "./cluster.ts";
import { eventually, type Listed, listAllRuns, type WireRun } from "./runs.ts";

describe("standalone", () => {
  let dataDir: string | undefined;
  let running: RunningProcess | undefined;

  after(async () => {
    await running?.stop();
    if (dataDir) await rm(dataDir, { recursive: true, force: true });
  });

  async function start(env: Record<string, string> = {}): Promise<{ api: ApiClient; key: string }> {
    running = startProcess("standalone/main.ts", { env: { PORT: "0", BELLHOP_DATA_DIR: dataDir!, ...env } });
    await running.waitForLine(/^Ctrl-C drains/, 120_000);
    const find = (word: string) =>
      running!.lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
    const [address, key] = [find("API"), find("Key")];
    assert.ok(address !== undefined && key !== undefined, "the start printed no address or key");
    assert.ok(address.startsWith("http://127.0.0.1:"));
    assert.ok(key.startsWith("bh_"));
    return { api: createClient(address, key), key };
  }

  /** Its children that are workers, of the sources or of the bundle; elsewhere than on Linux none can be seen. */
  function workerProcesses(): number[] {
    const isWorker = (pid: number) => {
      try {
        return /\/main\.(ts|mjs)\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      } catch {
        return false;
      }
    };
    return childrenOf(running!.pid).filter(isWorker);
  }
  const isNone = (pids: number[]) => pids.length === 0;

  it("runs a function on a schedule, from no worker and back to none, stops on one signal, and picks up where it was", {
    timeout: 300_000,
  }, async () => {
    dataDir = await mkdtemp(join(tmpdir(), "bellhop-standalone-"));
    const first = await start();
    assert.ok(running!.lines.some((line) => line.startsWith("Workers  none until something is due")));
    assert.deepEqual(workerProcesses(), []);
    const source =
      "export default (input, ctx) => { ctx.log.info('hello ' + input.name); return input.name; }";
    await first.api.call("PUT", "/v1/functions/greet", { source });
    // The caller waits in the queue for the worker that is started for it.
    assert.equal(await first.api.call("POST", "/v1/functions/greet/invoke", { name: "world" }), "world");
    if (platform() === "linux") assert.equal(workerProcesses().length, 1);
    const task = await first.api.call<{ id: string }>("POST", "/v1/tasks", {
      type: "function",
      function: "greet",
      input: { name: "again" },
      schedule: { every: "1s" },
    });
    const succeeded = (runs: WireRun[]) => runs.filter(({ state }) => state === "succeeded").length;
    const before = await eventually(
      "two runs",
      () => listAllRuns(first.api, `/v1/tasks/${task.id}/runs`),
      (runs) => succeeded(runs) >= 2,
    );
    const logs = await first.api.call<Listed<{ message: string }>>("GET", "/v1/functions/greet/logs");
    assert.ok(logs.items.some(({ message }) => message === "hello again"));

    running!.signal("SIGINT");
    assert.equal((await running!.exited).code, 0);
    assert.ok(running!.lines.some((line) => line.startsWith("Stopped.")));

    const second = await start({ WORKERS_IDLE_AFTER: "1s" });
    assert.equal(second.key, first.key, "the key was made anew");
    const isMore = (runs: WireRun[]) => succeeded(runs) > succeeded(before);
    await eventually(
      "another run after the second start",
      () => listAllRuns(second.api, `/v1/tasks/${task.id}/runs`),
      isMore,
    );
    await second.api.call("POST", `/v1/tasks/${task.id}/pause`);
    await eventually("no worker process", async () => workerProcesses(), isNone);
    const delayed = await second.api.call<{ id: string }>("POST", "/v1/tasks", {
      ...{ type: "function", function: "greet", input: { name: "later" }, schedule: { delay: "1s" } },
    });
    await eventually(
      "a run from zero",
      () => listAllRuns(second.api, `/v1/tasks/${delayed.id}/runs`),
      (runs) => succeeded(runs) === 1,
    );
    await eventually("no worker process again", async () => workerProcesses(), isNone);
    running!.signal("SIGTERM");
    assert.equal((await running!.exited).code, 0);
  });

  it("takes a large upload while its worker's program is made, and ends after it on one signal", {
    timeout: 300_000,
  }, async () => {
    dataDir ??= await mkdtemp(join(tmpdir(), "bellhop-standalone-"));
    const { api } = await start();
    const source = `export default () => 1;\n${Array.from({ length: 20_000 }, (_, i) => `export const value${i}: number = ${i};`).join("\n")}`;
    const { name } = await api.call<{ name: string }>("PUT", "/v1/functions/large", { source });
    assert.equal(name, "large");
    running!.signal("SIGINT");
    assert.equal((await running!.exited).code, 0);
  });

  it("prints each run that failed in one readable line, whatever made it", { timeout: 300_000 }, async () => {
    dataDir ??= await mkdtemp(join(tmpdir(), "bellhop-standalone-"));
    const { api, key } = await start();
    const source = "export default () => { throw new Error('what it said'); }";
    await api.call("PUT", "/v1/functions/broken", { source });
    const authorization = { authorization: `Bearer ${key}` };
    const invoked = await fetch(`${api.url}/v1/functions/broken/invoke`, {
      ...{ method: "POST", headers: authorization },
    });
    const { runId } = (await invoked.json()) as { runId: string };
    const visited = await fetch(`${api.url}/fn/default/broken`, { headers: authorization });
    const hook = await api.call<{ url: string }>("POST", "/v1/functions/broken/hooks", {});
    const hooked = await fetch(new URL(hook.url, api.url), { method: "POST" });
    const task = (fields: object) => api.call<{ id: string }>("POST", "/v1/tasks", fields);
    const ofTask = await task({ type: "function", function: "broken", retry: { maxAttempts: 1 } });
    const refused = { type: "http", url: `${api.url}/nowhere`, schedule: { delay: "1s" } };
    const http = await task({ ...refused, retry: { maxAttempts: 1 }, deadLetter: false });
    const stamp = String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z run failed: `;
    const called = (trigger: string, id: string | null) =>
      `function broken, trigger ${trigger}, function_error, 1 attempt, run ${id}`;
    for (const text of [
      called("invoke", runId),
      called("http", visited.headers.get("bellhop-run-id")),
      called("hook", hooked.headers.get("bellhop-run-id")),
      `function broken of task ${ofTask.id}, trigger schedule, function_error, 1 attempt, dead letter [0-9a-f-]{36}`,
      `http task ${http.id}, trigger schedule, http_status, 1 attempt, run [0-9a-f-]{36}`,
    ])
      await running!.waitForLine(new RegExp(`${stamp}${text}$`));
    assert.ok(!running!.lines.some((line) => line.includes("what it said") || line.includes("\x1b")));
    running!.signal("SIGINT");
    assert.equal((await running!.exited).code, 0);
  });

  it("refuses what has no effect, a key that can be guessed and a port that is taken, before it makes anything", async (t) => {
    const taken = createServer().listen(0, "127.0.0.1");
    t.after(() => taken.close());
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const parent = await mkdtemp(join(tmpdir(), "bellhop-refused-"));
    t.after(() => rm(parent, { recursive: true, force: true }));
    const folder = join(parent, "data");
    for (const [given, words] of [
      [{ PORT: String(port) }, `Port ${port} of 127.0.0.1 is taken: set PORT to another one`],
      [{ KAFKA_BROKERS: "127.0.0.1:9092" }, "KAFKA_BROKERS has no effect here: the queue of npm start is"],
      [{ BELLHOP_API_KEY: "bh_short" }, "The setting BELLHOP_API_KEY must be bh_ plus 16 to 197 characters"],
    ] as const) {
      const refused = startProcess("standalone/main.ts", { env: { BELLHOP_DATA_DIR: folder, ...given } });
      assert.equal((await refused.exited).code, 1);
      assert.deepEqual(refused.lines.length, 1, refused.lines.join("\n"));
      assert.ok(refused.lines[0]!.startsWith(words), refused.lines[0]);
      assert.equal(existsSync(folder), false);
    }
  });

  it("refuses a setting it does not know, with a hint", async () => {
    const wrong = startProcess("standalone/main.ts", { env: { BELLHOP_DATADIR: "x" } });
    assert.equal((await wrong.exited).code, 1);
    assert.ok(
      wrong.lines.some((line) =>
        line.includes("There is no setting BELLHOP_DATADIR; did you mean BELLHOP_DATA_DIR?"),
      ),
    );
  });
});
