/** Which workers a call is offered to, by stubs of them that several APIs share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { chooseEmptiest, chooseWorker, hashId } from "./choose-worker.ts";
import { createDirectCaller, type DirectCaller } from "./direct-caller.ts";
import type { WorkerLink } from "./worker-link.ts";

interface Worker {
  id: string;
  slots: number;
  /** Calls of all APIs. */
  taken: number;
}

const fleet = (count: number): Worker[] =>
  Array.from({ length: count }, (_, n) => ({ id: `worker ${n}`, slots: 10, taken: 0 }));

/** An API that knows of the workers' calls its own only. */
function openCaller(workers: Worker[]): DirectCaller {
  const candidates = workers.map((worker) => {
    const candidate = {
      ...{ hash: hashId(worker.id), slots: worker.slots, inFlight: 0, ofRevision: 0 },
      call(_call: DirectCall, events: { onAccepted(): void; onRefused(reason: string): void }) {
        const isFull = worker.taken >= worker.slots;
        if (!isFull) {
          worker.taken++;
          candidate.inFlight++;
          candidate.ofRevision++;
        }
        queueMicrotask(() => (isFull ? events.onRefused("busy") : events.onAccepted()));
        return {};
      },
    };
    return candidate;
  });
  type Seen = (typeof candidates)[number] & WorkerLink;
  const left = (not: ReadonlySet<WorkerLink>) => (candidates as Seen[]).filter((link) => !not.has(link));
  const directory = {
    choose: (revisionId: string, not: ReadonlySet<WorkerLink>) => chooseWorker(hashId(revisionId), left(not)),
    chooseEmptiest: ({ runId }: DirectCall, not: ReadonlySet<WorkerLink>) =>
      chooseEmptiest(hashId(runId), left(not)),
    isFull: () => false,
    isQueueOnly: () => false,
    onOpened() {},
    avoid() {},
    close() {},
  };
  return createDirectCaller(directory, () => assert.fail("nothing was lost"));
}

/** Whether somebody takes a call of the one revision. */
function offer(caller: DirectCaller, runId: string): Promise<boolean> {
  const call = { runId, revisionId: "hot" } as DirectCall;
  return new Promise((resolve) => {
    const events = { onFeed() {}, onAccepted: () => resolve(true), onNone: () => resolve(false) };
    caller.begin(call, events as unknown as Parameters<DirectCaller["begin"]>[1]);
  });
}

test("calls of one revision from several APIs find the workers that have room", async () => {
  const workers = fleet(10);
  const callers = Array.from({ length: 5 }, () => openCaller(workers));
  let refused = 0;
  // Half of all slots.
  for (let n = 0; n < 50; n++) if (!(await offer(callers[n % 5]!, `run ${n}`))) refused++;
  assert.equal(refused, 0);
  for (let n = 50; n < 100; n++) await offer(callers[n % 5]!, `run ${n}`);
  assert.ok(
    workers.every(({ taken }) => taken > 0),
    JSON.stringify(workers),
  );
});
