/** Calls the function: its module once an isolate, its default export once a run. */

import type { LogLevel } from "../../../core/domain/log-level.ts";
import type { GuestFacts, GuestStart } from "../guest-start.ts";
import { serveRequest } from "../http/serve-request.ts";
import { describeFailure } from "./attempt-words.ts";
import { beginRun, currentRun, endRun, failRun, finishRun, type GuestRun } from "./current-run.ts";
import { inspect } from "./inspect.ts";
import { makeKv } from "./kv.ts";
import { log } from "./log.ts";
import { freeze, NativeDate, NativePromise, parse, promiseThen, stringify } from "./primordials.ts";
import { signalOf } from "./signal.ts";

/** The author's script as a CommonJS function. */
export type ModuleFactory = (module: { exports: Record<string, unknown> }, exports: object) => void;

let target: unknown;

const NOTHING: GuestStart[] = [];
let waiting = NOTHING;

/**
 * Runs them one after another within this entry. One that waits for something ends the row: those behind it are
 * withdrawn at the next entry, and the executor, which sees that they were not settled, runs them elsewhere.
 */
export async function executeRuns(starts: string, factory: ModuleFactory | undefined): Promise<void> {
  const runs = parse(starts) as GuestStart[];
  waiting = runs;
  for (let i = 0; i < runs.length && waiting === runs; i++) {
    // By index: the author's code may have replaced the iterator of arrays.
    const start = runs[i]!;
    const facts = start[2];
    const run = beginRun(start[0], facts.logLines, facts.resultBytes);
    if (i === 0 && factory !== undefined && !loadModule(run, factory)) return;
    void executeRun(run, start[1], facts);
    // Not for the function's own promise: a run that failed from a microtask may never settle it.
    if (!run.ended) await whenOver(run);
  }
}

function whenOver(run: GuestRun): Promise<void> {
  return new NativePromise((resolve) => {
    run.onOver = resolve;
  });
}

export function withdrawWaiting(): void {
  waiting = NOTHING;
}

function loadModule(run: GuestRun, factory: ModuleFactory): boolean {
  try {
    const module = { exports: {} as Record<string, unknown> };
    factory(module, module.exports);
    target = module.exports["default"];
    return true;
  } catch (thrown) {
    endRun(run, "load_failed", stringify(describeFailure(thrown)));
    return false;
  }
}

async function executeRun(run: GuestRun, input: unknown, facts: GuestFacts): Promise<void> {
  try {
    const background: Promise<unknown>[] = [];
    const context = makeContext(run, facts, background);
    if (facts.http !== undefined) {
      const result = await serveRequest(run, target, facts.http, context, background);
      if (result !== undefined) endRun(run, "ok", result);
      return;
    }
    const value = await callTarget(input, context, facts);
    for (let i = 0; i < background.length; i++) await background[i];
    finishRun(run, value);
  } catch (thrown) {
    failRun(run, thrown);
  }
}

interface ModuleWorker {
  scheduled?: unknown;
  fetch?: unknown;
}

function callTarget(input: unknown, context: ReturnType<typeof makeContext>, facts: GuestFacts): unknown {
  if (typeof target === "function") return target(input, context);
  if (typeof target === "object" && target !== null) {
    const worker = target as ModuleWorker;
    if (typeof worker.scheduled === "function") {
      const event = { type: "scheduled", scheduledTime: facts.scheduledFor, input };
      return worker.scheduled(event, context.env, context);
    }
    if (typeof worker.fetch === "function") {
      return refuse("The default export has only fetch(): it answers HTTP, it is to be called at its URL.");
    }
  }
  return refuse(
    "The default export must be a function (input, ctx) or an object with scheduled(event, env, ctx).",
  );
}

function refuse(message: string): void {
  endRun(currentRun, "unsupported_shape", message);
}

function makeContext(run: GuestRun, facts: GuestFacts, background: Promise<unknown>[]) {
  let kv: object | undefined;
  const level = (name: LogLevel) => (message: unknown, fields?: unknown) => log(run, name, message, fields);
  return {
    runId: facts.runId,
    attempt: facts.attempt,
    scheduledAt: new NativeDate(facts.scheduledFor),
    deadlineAt: new NativeDate(facts.deadlineAt),
    trigger: facts.trigger,
    env: freeze(facts.env),
    get signal() {
      return signalOf(run, facts.wallMs);
    },
    get kv() {
      kv ??= makeKv(run);
      return kv;
    },
    log: { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") },
    waitUntil(promise: unknown) {
      if (run.ended) return;
      const settled = promiseThen(NativePromise.resolve(promise), undefined, (thrown) =>
        log(run, "error", `waitUntil failed: ${inspect(thrown)}`),
      );
      background[background.length] = settled;
    },
  };
}
