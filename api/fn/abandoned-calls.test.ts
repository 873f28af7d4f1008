/** Calls of a function's URL that wait in the queue and whose callers leave, as the API sees them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { openApi } from "../testing/open-api.ts";

/** A call that is queued: there is no worker. */
async function beginCall() {
  const api = await openApi();
  const tenant = await api.newTenant();
  const body = { source: "export default () => null;", public: true };
  await tenant.call("PUT", "/v1/functions/slow", { body });
  const { name } = await api.db
    .selectFrom("namespaces")
    .select("name")
    .where("id", "=", tenant.namespaceId)
    .executeTakeFirstOrThrow();
  const leaving = new AbortController();
  const request = new Request(`http://localhost/fn/${name}/slow`, { signal: leaving.signal });
  const answer = Promise.resolve(api.app.request(request));
  const [{ runId } = assert.fail()] = await api.bells.waitFor(() => true);
  const stateOf = async () => (await tenant.call("GET", `/v1/runs/${runId}`)).body.state as string;
  return { api, runId, answer, stateOf, leave: () => leaving.abort() };
}

test("one that has not begun ends with its caller", async () => {
  const { answer, leave, stateOf } = await beginCall();
  leave();
  await answer;
  assert.equal(await stateOf(), "cancelled");
});

test("one that runs is asked to stop", async () => {
  const { api, runId, answer, leave, stateOf } = await beginCall();
  await api.start(runId);
  leave();
  await answer;
  assert.equal(await stateOf(), "running");
  const asked = await until(async () => {
    const { rows } = await api.store.pool.query(
      "SELECT cancel_requested_at AS at FROM task_runs_open WHERE id = $1",
      [runId],
    );
    return rows[0]?.at ?? undefined;
  });
  assert.ok(asked instanceof Date);
});

test("one whose API stops stays in the queue: its caller has not left", async () => {
  const { api, answer, leave, stateOf } = await beginCall();
  api.stopServing();
  // What closes then looks like a caller who leaves.
  leave();
  await answer;
  assert.equal(await stateOf(), "queued");
});
