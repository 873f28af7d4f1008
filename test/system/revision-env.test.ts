/** Settings travel with their revision: a worker serves several revisions of one source at once, each with its own. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

const cluster = await startCluster({ schedulers: 1, workers: 1 });
after(() => cluster.stop());
const { api } = cluster;
const PATH = "/v1/functions/greet";

const SOURCE = `const held = [];
  export default async (input, { env }) => {
    held.push(env.WORD);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { word: env.WORD, other: env.OTHER ?? null, held: [...new Set(held)] };
  };`;

interface Said {
  word: string;
  other: string | null;
  held: string[];
}

const invoke = (query = "") => api.call<Said>("POST", `${PATH}/invoke${query}`, {});

test("revisions of one source serve at once, each with its own settings, and a rollback brings them back", async () => {
  const one: Said = { word: "one", other: null, held: ["one"] };
  const two: Said = { word: "two", other: "more", held: ["two"] };
  await api.call("PUT", PATH, { source: SOURCE, env: { WORD: "one" } });
  assert.deepEqual(await invoke(), one);
  await api.call("PATCH", PATH, { env: { WORD: "two", OTHER: "more" } });
  assert.deepEqual(await invoke("?revision=2"), two);

  await api.call("PUT", `${PATH}/traffic`, { "1": 50, "2": 50 });
  const calls = Array.from({ length: 60 }, (_, n) => invoke(n % 3 === 0 ? "" : `?revision=${n % 3}`));
  const answers = await Promise.all(calls);
  for (const [n, answer] of answers.entries()) {
    const asked = [answer.word === "one" ? one : two, one, two][n % 3];
    assert.deepEqual(answer, asked);
  }

  await api.call("POST", `${PATH}/rollback`, { revision: 1 });
  const { runId } = await api.call<{ runId: string }>("POST", "/v1/tasks", {
    ...{ type: "function", function: "greet" },
  });
  const run = await eventually(
    "the task's run",
    () => api.call<WireRun>("GET", `/v1/runs/${runId}`),
    ({ state }) => state === "succeeded",
  );
  assert.deepEqual(run.result, one);
});
