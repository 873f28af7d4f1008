import assert from "node:assert/strict";
import { test } from "node:test";
import { withDemand } from "./demand-page.ts";

const probes = async (path: string) =>
  path === "/healthz" ? { status: 200, contentType: "application/json", body: "{}" } : undefined;

test("the demand is told as one figure and its parts; the other pages stay", async () => {
  const demand = { dueRuns: 5, runningRuns: 7, busySlots: 9, busyLongSlots: 1, upcomingRuns: 2 };
  const pages = withDemand(probes, async () => demand);
  const answer = await pages("/demand");
  assert.equal(answer?.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { demand: 16, ...demand });
  assert.equal((await pages("/healthz"))?.body, "{}");
  assert.equal(await pages("/other"), undefined);
});
