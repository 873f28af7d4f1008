import assert from "node:assert/strict";
import { test } from "node:test";
import { startAutoscaler } from "./main.ts";

const env = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };

test("a least number above the most ends the start with a sentence that helps", async () => {
  await assert.rejects(startAutoscaler({ ...env, WORKERS_MIN: "5", WORKERS_MAX: "2" }), {
    code: "invalid_setting",
    message: /WORKERS_MIN is 5 and WORKERS_MAX is 2.*Raise WORKERS_MAX or lower WORKERS_MIN/,
  });
});

test("workers that would take nothing from the queue, or could not start, are not begun with", async () => {
  const receive = (WORKER_RECEIVE: string) => startAutoscaler({ ...env, WORKER_RECEIVE });
  await assert.rejects(receive("events"), { code: "invalid_setting", message: /leave WORKER_RECEIVE out/ });
  await assert.rejects(receive("long-runs"), { code: "invalid_setting", message: /needs Kafka/ });
});

test("what its workers could not read ends the start of the autoscaler already", async () => {
  await assert.rejects(startAutoscaler({ ...env, WORKER_SLOTS: "none" }), /The setting WORKER_SLOTS must be/);
  await assert.rejects(startAutoscaler({ ...env, WORKERS_MAX: "0" }), /The setting WORKERS_MAX must be/);
  await assert.rejects(
    startAutoscaler({ ...env, EGRESS_ALLOW: "nowhere" }),
    /EGRESS_ALLOW holds "nowhere", which is not an IP address/,
  );
  await assert.rejects(startAutoscaler({ ...env, EMAIL_URL: "pigeon://coop" }), /EMAIL_URL names no known/);
});
