/** `npm start -- --clock=virtual`: what schedules do in months to come, through the real program. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";
import { type ApiClient, createClient } from "./cluster.ts";
import { eventually, listAllRuns, type WireRun } from "./runs.ts";

interface WireTask {
  id: string;
  nextRunAt: string | null;
  createdAt: string;
}
interface WireClock {
  now: string;
  virtual: boolean;
  advancingTo: string | null;
}

const YEAR = new Date().getUTCFullYear() + 1;
const DAY_MS = 86_400_000;

describe("the clock for tests", () => {
  let sink: HttpSink;
  let dataDir: string;
  let running: RunningProcess | undefined;
  let api: ApiClient;

  before(async () => {
    sink = await createHttpSink();
    dataDir = await mkdtemp(join(tmpdir(), "bellhop-clock-"));
  });
  after(async () => {
    await running?.stop();
    await sink.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    const env = { PORT: "0", BELLHOP_DATA_DIR: dataDir, WORKERS_MIN: "1", WORKERS_MAX: "1" };
    running = startProcess("standalone/main.ts", { env, args: ["--clock=virtual"] });
    await running.waitForLine(/^Ctrl-C drains/, 120_000);
    const find = (word: string) =>
      running!.lines.find((line) => line.startsWith(`${word} `))!.slice(word.length + 1);
    api = createClient(find("API"), find("Key"));
  }

  const now = async () => (await api.call<WireClock>("GET", "/v1/clock")).now;
  const advance = async (given: object) =>
    (await api.call<WireClock>("POST", "/v1/clock/advance", given)).now;
  const makeTask = (schedule: object, more: object = {}) =>
    api.call<WireTask>("POST", "/v1/tasks", { type: "http", url: sink.url, schedule, ...more });
  const runsOf = async ({ id }: WireTask): Promise<WireRun[]> =>
    (await listAllRuns(api, `/v1/tasks/${id}/runs`)).toReversed();
  const succeededRuns = (task: WireTask, count: number) =>
    eventually(
      `${count} runs have succeeded`,
      () => runsOf(task),
      (runs) => runs.filter(({ state }) => state === "succeeded").length === count,
    );
  const instantsOf = (runs: WireRun[]) => runs.map(({ scheduledFor }) => scheduledFor);

  it("tasks fire as the clock is advanced, in their order, and not before", {
    timeout: 300_000,
  }, async () => {
    await start();
    assert.ok(running!.lines.some((line) => line.startsWith("Clock    VIRTUAL, for tests")));
    const first = await now();
    assert.ok(Math.abs(Date.now() - Date.parse(first)) < 120_000, "it begins at the true time");

    const march = await makeTask({ cron: "0 9 1 3 *" }, { url: `${sink.url}/march` });
    assert.equal(march.createdAt, first);
    assert.equal(march.nextRunAt, `${YEAR}-03-01T09:00:00.000Z`);
    await advance({ to: `${YEAR}-03-01T08:59:59Z` });
    assert.deepEqual(await runsOf(march), []);
    assert.equal(await advance({ by: "1s" }), `${YEAR}-03-01T09:00:00.000Z`);
    assert.equal((await runsOf(march)).length, 1, "what is due is staged when the advance is answered");
    await sink.waitFor(({ url }) => url === "/march", { count: 1 });
    const [run] = await succeededRuns(march, 1);
    assert.equal(run!.scheduledFor, `${YEAR}-03-01T09:00:00.000Z`);
    assert.ok(Math.abs(Date.now() - Date.parse(run!.startedAt)) < 120_000, "a run has its true times");
  });

  it("a week of instants is no outage, whatever the overlap, and weeks keep their local times where the clocks change", {
    timeout: 300_000,
  }, async () => {
    const daily = await makeTask({ cron: "0 8 * * *" }, { ttl: "1m", deadline: "1h" });
    const weekly = await makeTask({ cron: "0 9 * * MON", timezone: "Europe/Rome" });
    await advance({ to: `${YEAR}-03-08T08:30:00Z` });
    const runs = await succeededRuns(daily, 7);
    const days = [2, 3, 4, 5, 6, 7, 8].map((day) => `${YEAR}-03-0${day}T08:00:00.000Z`);
    assert.deepEqual(instantsOf(runs), days);
    await api.call("DELETE", `/v1/tasks/${daily.id}`);
    await advance({ to: `${YEAR}-04-12T00:00:00Z` });
    const hours = new Intl.DateTimeFormat("en", {
      timeZone: "Europe/Rome",
      hour: "numeric",
      hourCycle: "h23",
    });
    const weeks = instantsOf(await runsOf(weekly));
    assert.ok(weeks.length >= 5, `${weeks}`);
    assert.deepEqual([...new Set(weeks.map((at) => hours.format(new Date(at))))], ["09"]);
    assert.equal(
      new Set(weeks.map((at) => at.slice(11, 13))).size,
      2,
      "by the true clock an hour earlier in summer",
    );
    for (const [index, at] of weeks.slice(1).entries())
      assert.ok(Date.parse(at) - Date.parse(weeks[index]!) >= 7 * DAY_MS - 3_600_000);
    await succeededRuns(weekly, weeks.length);
    await api.call("DELETE", `/v1/tasks/${weekly.id}`);
  });

  it("a pause sleeps through what the clock passes, and catches up as the task says", {
    timeout: 300_000,
  }, async () => {
    const plain = await makeTask({ cron: "0 12 * * *" });
    const catching = await makeTask({ cron: "0 12 * * *" }, { catchUp: { policy: "latest" } });
    for (const { id } of [plain, catching]) await api.call("POST", `/v1/tasks/${id}/pause`);
    await advance({ to: `${YEAR}-04-15T13:00:00Z` });
    for (const { id } of [plain, catching]) await api.call("POST", `/v1/tasks/${id}/resume`);
    await advance({ by: "1s" });
    const made = await succeededRuns(catching, 1);
    assert.deepEqual(made.map(({ state, scheduledFor }) => [state, scheduledFor]).toSorted(), [
      ["skipped", `${YEAR}-04-12T12:00:00.000Z`],
      ["succeeded", `${YEAR}-04-15T12:00:00.000Z`],
    ]);
    assert.deepEqual(
      (await runsOf(plain)).map(({ state }) => state),
      ["skipped"],
    );
    for (const { id } of [plain, catching]) await api.call("DELETE", `/v1/tasks/${id}`);
  });

  it("what lies before the clock is refused, and another advance while one is under way", async () => {
    const at = await now();
    const before = new Date(Date.parse(at) - 1).toISOString();
    await assert.rejects(advance({ to: before }), /422.*the clock never goes back/);
    await assert.rejects(advance({}), /422.*either by or to/);
    await assert.rejects(advance({ by: "4000d" }), /422/);
    assert.equal(await advance({ to: at }), at);
  });

  it("a restart keeps the time; a start with the true one is refused, for it would go back", {
    timeout: 300_000,
  }, async () => {
    const at = await now();
    const task = await makeTask({ delay: "1h" });
    running!.signal("SIGINT");
    assert.equal((await running!.exited).code, 0);
    const env = { PORT: "0", BELLHOP_DATA_DIR: dataDir };
    const refused = startProcess("standalone/main.ts", { env });
    assert.equal((await refused.exited).code, 1);
    assert.match(refused.lines.join("\n"), /have seen .*: time does not go back/);
    await start();
    assert.equal(await now(), at);
    await advance({ by: "1h" });
    await succeededRuns(task, 1);
  });

  it("other roles take no such clock", async () => {
    const role = startProcess("scheduler/main.ts", { env: {}, args: ["--clock=virtual"] });
    assert.equal((await role.exited).code, 1);
    assert.match(role.lines.join("\n"), /npm run scheduler takes no argument "--clock=virtual"/);
  });
});
