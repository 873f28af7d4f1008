/**
 * As runtime/drain.ts: how a worker ends that is told to. It takes nothing more, finishes what it can, gives back the rest,
 * and lets its lease go once nothing of it waits to be recorded.
 */
import { AttemptStop } from "../../../runtime/attempt-stop.ts";
import { leave } from "../database/owned.ts";
import { ConnectionLost, restUntil, type Script } from "../simulation/script.ts";
import type { Intake } from "./intake.ts";
import type { Worker } from "./worker.ts";

/** The grace is the operator's, here less than a lease. The others as in runtime/drain.ts. */
const DRAIN_MS = 1_500;
const STOP_MS = 2_500;
const FLUSH_MS = 30_000;

/** @param settle what the table and the worker do not agree about */
export function* drain(worker: Worker, intake: Intake, settle: () => Script): Script {
  const { world, process } = worker;
  intake.close();
  yield* intake.whenClaimed();
  yield* tryOnce(worker.beat());
  yield* tryOnce(settle());
  yield* whenIdle(worker, DRAIN_MS);
  yield* tryOnce(letGo(worker));
  yield* whenIdle(worker, STOP_MS);
  // What holds a slot by now waits to be recorded.
  yield* whenIdle(worker, FLUSH_MS);
  yield* tryOnce(leave(worker.id));
  world.exit(process);
}

/** A worker that goes tries once: what it leaves behind is its lease's. */
function* tryOnce(script: Script): Script {
  try {
    yield* script;
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
  }
}

function* whenIdle({ world, running }: Worker, forMs: number): Script {
  const untilMs = world.nowMs + forMs;
  while (running.all().length > 0 && world.nowMs < untilMs) yield* restUntil(untilMs, "left");
}

/** First stopped, then given back. */
function* letGo({ world, running, giveBack }: Worker): Script {
  const left = running.all().filter(({ isEnded }) => !isEnded);
  if (!world.hasBug("given-back-and-not-stopped"))
    for (const { stop } of left) stop.abort(new AttemptStop("released"));
  yield* giveBack(left.map(({ run: { id, claimNo } }) => ({ id, claimNo })));
}
