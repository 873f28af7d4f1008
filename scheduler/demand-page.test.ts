import assert from "node:assert/strict";
import { test } from "node:test";
import { withDemand } from "./demand-page.ts";

const probes = async (path: string) =>
  path === "/healthz" ? { status: 200, contentType: "application/json", body: "{}" } : undefined;
const DEMAND = {
  ...{ dueRuns: 5, runningRuns: 7, busySlots: 9, busyLongSlots: 1, waitingCallers: 3, upcomingRuns: 2 },
};

test("the demand is told as one figure and its parts; the other pages stay", async () => {
  const pages = withDemand(probes, async () => DEMAND);
  const answer = await pages("/demand");
  assert.equal(answer?.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { demand: 19, ...DEMAND });
  assert.equal((await pages("/healthz"))?.body, "{}");
  assert.equal(await pages("/other"), undefined);
});

test("who asks while the demand is read shares the answer; the next one has it read anew", async () => {
  const readings: PromiseWithResolvers<typeof DEMAND>[] = [];
  const pages = withDemand(probes, () => {
    readings.push(Promise.withResolvers());
    return readings.at(-1)!.promise;
  });
  const refused = Array.from({ length: 3 }, () =>
    assert.rejects(pages("/demand") as Promise<unknown>, /away/),
  );
  assert.equal(readings.length, 1);
  readings[0]!.reject(new Error("away"));
  await Promise.all(refused);
  const again = pages("/demand");
  assert.equal(readings.length, 2);
  readings[1]!.resolve(DEMAND);
  assert.equal((await again)?.status, 200);
});
