/** Calls the function: its module once an isolate, its default export once a run. */

import type { LogLevel } from "../../../core/domain/log-level.ts";
import type { GuestFacts, GuestStart } from "../guest-start.ts";
import { serveRequest } from "../http/serve-request.ts";
import { require } from "../node/require.ts";
import { beginNodeRun, offerKv } from "../node/services.ts";
import { isResponse } from "../web/response.ts";
import {
  beginLoading,
  beginRun,
  currentRun,
  endLoading,
  endRun,
  failRun,
  type GuestRun,
} from "./current-run.ts";
import { readEntry } from "./entry.ts";
import { inspect } from "./inspect.ts";
import { makeKv } from "./kv.ts";
import { withKvNamespace } from "./kv-namespace.ts";
import { log } from "./log.ts";
import { dateNow, freeze, NativeDate, NativePromise, parse, promiseThen, slice } from "./primordials.ts";
import { finishRun, refuseLargeResult } from "./result-json.ts";
import { toReturnedResponse } from "./returned-response.ts";
import { signalOf } from "./signal.ts";
import { resumeTimers } from "./timers.ts";

interface AuthorModule {
  exports: Record<string, unknown>;
  /** Of a module with `await` at its top level. */
  ready?: Promise<unknown>;
}

/** The author's script as a CommonJS function. */
export type ModuleFactory = (
  module: AuthorModule,
  exports: object,
  require: (name: unknown) => unknown,
) => void;

let target: unknown;
/** While the module waits at its top level. */
let loading: Promise<unknown> | undefined;

const NOTHING: GuestStart[] = [];
let waiting = NOTHING;

/**
 * Runs them one after another within this entry. One that waits for something ends the row: those behind it are
 * withdrawn at the next entry, and the executor, which sees that they were not settled, runs them elsewhere. So does one
 * that leaves an isolate which no other run may have.
 */
export async function executeRuns(
  starts: string,
  bodies: string,
  factory: ModuleFactory | undefined,
): Promise<void> {
  const runs = parse(starts) as GuestStart[];
  let bodyAt = 0;
  waiting = runs;
  for (let i = 0; i < runs.length && waiting === runs; i++) {
    // By index: the author's code may have replaced the iterator of arrays.
    const start = runs[i]!;
    const facts = start[2];
    const { http } = facts;
    if (http?.bodyChars !== undefined) {
      facts.http = { ...http, body: slice(bodies, bodyAt, bodyAt + http.bodyChars) };
      bodyAt += http.bodyChars;
    }
    // The time of those behind the first counts from here.
    const deadlineAtMs = i === 0 ? facts.deadlineAt : dateNow() + facts.wallMs;
    const run = beginRun(start[0], facts.logLines, facts.resultBytes, deadlineAtMs);
    beginNodeRun(facts.env);
    resumeTimers();
    if (i === 0 && factory !== undefined && !loadModule(run, factory)) return;
    if (loading !== undefined && !(await isLoaded(run, loading))) return;
    void executeRun(run, start[1], facts);
    // Not for the function's own promise: a run that failed from a microtask may never settle it.
    if (!run.ended) await whenOver(run);
    if (run.isLast) return;
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
    const module: AuthorModule = { exports: {} };
    beginLoading();
    factory(module, module.exports, require);
    const take = () => {
      target = readEntry(module.exports);
      loading = undefined;
      endLoading();
    };
    if (module.ready === undefined) take();
    else loading = promiseThen(module.ready, take);
    return true;
  } catch (thrown) {
    return failLoading(run, thrown);
  }
}

async function isLoaded(run: GuestRun, ready: Promise<unknown>): Promise<boolean> {
  try {
    await ready;
    return !run.ended;
  } catch (thrown) {
    return failLoading(run, thrown);
  }
}

function failLoading(run: GuestRun, thrown: unknown): false {
  failRun(run, thrown);
  return false;
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
    const value = await callTarget(run, input, context, facts);
    for (let i = 0; i < background.length; i++) await background[i];
    if (!isResponse(value)) return finishRun(run, value);
    const returned = await toReturnedResponse(value, run.maxResultBytes);
    if (returned === undefined) refuseLargeResult(run);
    else finishRun(run, returned);
  } catch (thrown) {
    failRun(run, thrown);
  }
}

interface ModuleWorker {
  scheduled?: unknown;
  fetch?: unknown;
}

function callTarget(
  run: GuestRun,
  input: unknown,
  context: ReturnType<typeof makeContext>,
  facts: GuestFacts,
): unknown {
  if (typeof target === "function") return target(input, context);
  if (typeof target === "object" && target !== null) {
    const worker = target as ModuleWorker;
    if (typeof worker.scheduled === "function") {
      const noRetry = () => {
        run.noRetry = true;
      };
      const { scheduledFor: scheduledTime, cron = "" } = facts;
      const event = { type: "scheduled", scheduledTime, cron, input, noRetry };
      return worker.scheduled(event, context.env, context);
    }
    if (typeof worker.fetch === "function") {
      return refuse("The function has only fetch(): it answers HTTP, so call it at its URL.");
    }
  }
  return refuse(
    "The default export, or module.exports, must be a function (input, ctx) or an object with scheduled(event, env, ctx).",
  );
}

function refuse(message: string): void {
  endRun(currentRun, "unsupported_shape", message);
}

/** The API writes it there, and nothing that its caller says. */
function clientOf(http: GuestFacts["http"]): { address: string } | undefined {
  const headers = http?.headers ?? [];
  for (let i = 0; i < headers.length; i++) {
    const [name, address] = headers[i]!;
    if (name === "x-real-ip") return { address };
  }
  return undefined;
}

function makeContext(run: GuestRun, facts: GuestFacts, background: Promise<unknown>[]) {
  let kv: ReturnType<typeof makeKv> | undefined;
  const kvOfRun = () => {
    kv ??= makeKv(run);
    return kv;
  };
  const env = withKvNamespace(facts.env, kvOfRun, typeof target === "object");
  offerKv(() => env["KV"]);
  const level = (name: LogLevel) => (message: unknown, fields?: unknown) => log(run, name, message, fields);
  return {
    runId: facts.runId,
    attempt: facts.attempt,
    scheduledAt: new NativeDate(facts.scheduledFor),
    deadlineAt: new NativeDate(run.deadlineAtMs),
    trigger: facts.trigger,
    client: clientOf(facts.http),
    env: freeze(env),
    get signal() {
      return signalOf(run, facts.wallMs);
    },
    get kv() {
      return kvOfRun();
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
