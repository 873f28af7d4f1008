/** A function's traffic moves while it is called: no call fails, and soon after each answer every call goes where it should. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { startCluster } from "./cluster.ts";

const cluster = await startCluster({ schedulers: 1, workers: 2 });
after(() => cluster.stop());

const CALLS_PER_SECOND = 200;
/** A machine that cannot keep up is called no faster than it answers. */
const MAX_UNDER_WAY = 50;
/** Within so long of the API's answer a change holds everywhere: a second, and one in which a process may stand still. */
const SETTLED_MS = 2_000;
/** How many calls are watched after that. */
const WATCHED = 200;

interface Call {
  beganMs: number;
  status: number;
  text: string;
}

/** Calls at an even rate until `stop`. */
function callSteadily(url: string): { calls: Call[]; stop(): Promise<void> } {
  const calls: Call[] = [];
  const underWay = new Set<Promise<void>>();
  const timer = setInterval(() => {
    for (let n = 0; n < CALLS_PER_SECOND / 50 && underWay.size < MAX_UNDER_WAY; n += 1) {
      const beganMs = performance.now();
      const done: Promise<void> = fetch(url)
        .then(async (response) => {
          calls.push({ beganMs, status: response.status, text: await response.text() });
        })
        .catch((error: Error) => {
          calls.push({ beganMs, status: 0, text: error.message });
        })
        .finally(() => underWay.delete(done));
      underWay.add(done);
    }
  }, 20);
  return {
    calls,
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}

test("while up to 200 calls a second run, traffic moves, and is rolled back", async (t) => {
  const { api } = cluster;
  const deploy = (word: string, options: object = {}) =>
    api.call("PUT", "/v1/functions/moving", {
      source: `export default { async fetch() {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return new Response("${word}");
      } };`,
      public: true,
      ...options,
    });
  const setTraffic = (shares: Record<string, number>) =>
    api.call("PUT", "/v1/functions/moving/traffic", shares);
  await deploy("one");
  await deploy("two", { traffic: 0 });
  const load = callSteadily(`${api.url}/fn/default/moving`);
  t.after(() => load.stop());

  /** Makes the change; answers the share of "two" among the calls that began when it had settled. */
  const shareAfter = async (change: () => Promise<unknown>): Promise<number> => {
    await change();
    const settledMs = performance.now() + SETTLED_MS;
    const watched = await until(async () => {
      const since = load.calls.filter(({ beganMs }) => beganMs >= settledMs);
      return since.length >= WATCHED ? since : undefined;
    });
    return watched.filter(({ text }) => text === "two").length / watched.length;
  };
  assert.equal(await shareAfter(async () => {}), 0);
  const half = await shareAfter(() => setTraffic({ "1": 50, "2": 50 }));
  assert.ok(half > 0.3 && half < 0.7, `${half} of the calls went to the second revision`);
  assert.equal(await shareAfter(() => setTraffic({ "1": 0, "2": 100 })), 1);
  const back = await shareAfter(() => api.call("POST", "/v1/functions/moving/rollback"));
  assert.ok(back > 0.3 && back < 0.7, `${back} of the calls went to the second revision`);
  const keyed = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const headers = { "bellhop-traffic-key": `user-${n % 4}` };
      return `${n % 4} ${await (await fetch(`${api.url}/fn/default/moving`, { headers })).text()}`;
    }),
  );
  assert.equal(new Set(keyed).size, 4, "a key stays with its revision");
  assert.equal(await shareAfter(() => setTraffic({ "1": 100, "2": 0 })), 0);
  await load.stop();

  const failed = load.calls.filter(({ status }) => status !== 200);
  assert.deepEqual(failed.slice(0, 3), []);
});
