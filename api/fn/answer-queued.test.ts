/** What a call that waits in the queue holds of the API: its body while it comes, and nothing once it is a row. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_DAILY_LIMITS } from "../../core/store/daily-limits.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { readHeldBytes } from "../../test/support/memory.ts";
import type { Caller } from "../calls/caller.ts";
import type { FunctionCall } from "../calls/invoke.ts";
import { createEdge, EDGE_LIMITS } from "../edge/edge.ts";
import type { ApiParts } from "../environment.ts";
import { openApi } from "../testing/open-api.ts";
import { answerQueued } from "./answer-queued.ts";
import { receiveCallBody } from "./call-body.ts";

const caller: Caller = {
  ...{ isGone: false, hasLeft: false, isCut: false, onGone: () => () => {} },
  toSignal: () => new AbortController().signal,
};
const fn = { id: "f", name: "f", namespaceId: "n", limits: {}, isPublic: true } as CallableFunction;
const HEAD = { method: "POST", url: "http://a/", headers: [], hasBody: true };

/** A call whose first part has come; `more` chunks of 100,000 bytes are still to come. */
async function begin(
  more: number,
  waiting: number,
  given: { isHeld?: boolean | undefined; share?: number } = {},
) {
  const { isHeld, share } = { isHeld: false, share: 350_000, ...given };
  const clock = createManualClock();
  const bodies = { function: share, namespace: 2_000_000, all: 2_000_000 };
  const edge = createEdge({ ...EDGE_LIMITS, bodies }, clock, () => {});
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulls += 1;
        if (pulls <= 1 + more) controller.enqueue(new Uint8Array(100_000));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const length = String((1 + more) * 100_000);
  const request = new Request("http://a/", {
    ...{ method: "POST", body: stream, duplex: "half", headers: { "content-length": length } },
  });
  const claimant = { namespaceId: "n", functionId: "f" };
  const { body } = await receiveCallBody(edge, claimant, { request, incoming: undefined }, HEAD);
  assert.deepEqual([pulls, edge.bodies.held], [1, 100_000]);
  const written: number[] = [];
  const gate = Promise.withResolvers<void>();
  const parts = {
    ...{ edge, clock, functionCaps: {}, ringer: { ring() {} }, daily: NO_DAILY_LIMITS },
    held: { mayHold: async () => isHeld },
    waiter: { count: waiting, expect: () => ({ next: () => gate.promise, forget() {} }) },
    store: {
      pool: {
        async query() {
          written.push(edge.bodies.held);
          throw new Error("that is all there is to see");
        },
      },
    },
  } as unknown as ApiParts;
  const call: FunctionCall = { runId: "r", fn, trigger: "http", input: null };
  return {
    edge,
    body,
    written,
    pulls: () => pulls,
    answer: () => answerQueued(parts, call, body, { caller }),
  };
}

test("what is read of its body is counted once, until its run is written", async () => {
  const { answer, written, edge, body } = await begin(2, 0);
  await assert.rejects(answer(), /all there is to see/);
  assert.deepEqual(written, [300_000]);
  body.held.release();
  assert.deepEqual([edge.bodies.held, edge.queued.held], [0, 0]);
});

test("a body beyond the share is refused, and no more of it is read", async () => {
  const { answer, written, pulls, edge } = await begin(5, 0);
  await assert.rejects(answer(), { code: "too_many_bodies", status: 503 });
  assert.deepEqual([written, pulls(), edge.queued.held], [[], 4, 0]);
});

test("a body too long for a row is one to try again where it may yet be one to stream", async () => {
  for (const [isHeld, refusal] of [
    [false, { code: "body_too_large", status: 413 }],
    [undefined, { code: "function_busy", status: 503, retryAfterSeconds: 5 }],
  ] as const) {
    const { answer, written, edge } = await begin(12, 0, { isHeld, share: 2_000_000 });
    await assert.rejects(answer(), refusal);
    assert.deepEqual([written, edge.queued.held], [[], 0]);
  }
});

test("where too many wait already, nothing more is read of its body", async () => {
  const { answer, written, pulls, edge } = await begin(2, 1_000);
  await assert.rejects(answer(), { code: "too_many_waiting", status: 503 });
  assert.deepEqual([written, pulls(), edge.queued.held], [[], 1, 0]);
});

const CALLS = 30;
const BODY_BYTES = 900_000;

for (const path of ["/fn/NAMESPACE/slow/", "/v1/functions/slow/invoke"]) {
  test(`callers of ${path} who wait for the queue hold nothing of their bodies`, async () => {
    const api = await openApi();
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/functions/slow", { body: { source: "export default () => null;" } });
    const { name } = await api.db
      .selectFrom("namespaces")
      .select("name")
      .where("id", "=", tenant.namespaceId)
      .executeTakeFirstOrThrow();
    const body = JSON.stringify("x".repeat(BODY_BYTES));
    const url = path.replace("NAMESPACE", name);
    const answers: Promise<{ status: number }>[] = [];
    async function call(): Promise<void> {
      const headers = { "content-length": String(body.length) };
      answers.push(tenant.call("POST", url, { body, headers }));
      await api.bells.waitFor(() => true, { count: answers.length });
    }
    // What there is once for all.
    for (let warm = 0; warm < 3; warm += 1) await call();
    const before = await readHeldBytes();
    for (let more = 0; more < CALLS; more += 1) await call();
    assert.equal(api.edge.bodies.held, 0);
    const each = ((await readHeldBytes()) - before) / CALLS;
    assert.ok(each < BODY_BYTES / 5, `${Math.round(each)} bytes are held for each of them`);
    api.stopServing();
    for (const { status } of await Promise.all(answers)) assert.ok(status >= 500, String(status));
  });
}
