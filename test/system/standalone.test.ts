/** `npm start`'s program: everything on one machine, kept between starts, drained by one signal. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
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

  async function start(): Promise<{ api: ApiClient; key: string }> {
    running = startProcess("standalone/main.ts", { env: { PORT: "0", BELLHOP_DATA_DIR: dataDir! } });
    await running.waitForLine(/^Ctrl-C drains/, 60_000);
    const find = (word: string) =>
      running!.lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
    const [address, key] = [find("API"), find("Key")];
    assert.ok(address !== undefined && key !== undefined, "the start printed no address or key");
    assert.ok(address.startsWith("http://127.0.0.1:"));
    assert.ok(key.startsWith("bh_"));
    return { api: createClient(address, key), key };
  }

  it("runs a function on a schedule, stops on one signal, and picks up where it was", {
    timeout: 120_000,
  }, async () => {
    dataDir = await mkdtemp(join(tmpdir(), "bellhop-standalone-"));
    const first = await start();
    const source =
      "export default (input, ctx) => { ctx.log.info('hello ' + input.name); return input.name; }";
    await first.api.call("PUT", "/v1/functions/greet", { source });
    assert.equal(await first.api.call("POST", "/v1/functions/greet/invoke", { name: "world" }), "world");
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

    const second = await start();
    assert.equal(second.key, first.key, "the key was made anew");
    const isMore = (runs: WireRun[]) => succeeded(runs) > succeeded(before);
    await eventually(
      "another run after the second start",
      () => listAllRuns(second.api, `/v1/tasks/${task.id}/runs`),
      isMore,
    );
    running!.signal("SIGTERM");
    assert.equal((await running!.exited).code, 0);
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
