/** A worker's sandbox with executors that were taken over: no frame of theirs may harm the worker or a neighbour. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { AttemptOutcome } from "../../../core/domain/attempt.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../../../core/domain/function-limits.ts";
import type { Json } from "../../../core/json.ts";
import type { LogLine } from "../../../runtime/sandbox/invocation.ts";
import { ExecutorPool } from "../../../runtime/sandbox/parent/executor-pool.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../../../runtime/sandbox/settings.ts";
import type { Bout } from "../arena.ts";
import { judge, type Observation, type Outcome } from "../judge.ts";
import { ProcessTree } from "../process-tree.ts";
import type { Trick } from "./tricks.ts";

const FAKE = fileURLToPath(new URL("fake-executor.ts", import.meta.url));
/** Of what is to be stopped by the clock. */
const WALL_MS = 400;
/** Of what is to be answered, or stopped for what it says, beside whatever is going on. */
const ANSWER_WALL_MS = 20_000;

export interface Forgery {
  /** What it tries. */
  name: string;
  trick: Trick;
  /** Codes of the attacked run; "answered": its honest answer, 42, counts. */
  expect: string[];
}

const STOPPED = ["function_timeout", "executor_killed"];

export const FORGERIES: Forgery[] = [
  { name: "results, lines and gifts for runs of others", trick: "strangersResults", expect: ["answered"] },
  { name: "a second result for the same run", trick: "twice", expect: ["answered"] },
  { name: "a cancel that nobody asked for", trick: "unaskedCancel", expect: ["executor_killed"] },
  { name: "a frame of four gigabytes", trick: "giantLength", expect: ["executor_killed"] },
  { name: "a frame of a negative length", trick: "negativeLength", expect: ["executor_killed"] },
  { name: "a frame one byte too long", trick: "lengthJustBeyond", expect: ["executor_killed"] },
  { name: "an endless line without frames", trick: "endlessLine", expect: ["executor_killed"] },
  { name: "a frame that is never filled", trick: "frameNeverFilled", expect: STOPPED },
  { name: "empty frames without end", trick: "emptyFrames", expect: ["executor_killed"] },
  { name: "an honest frame byte by byte", trick: "byteByByte", expect: ["answered"] },
  { name: "a frame that is no JSON", trick: "noJson", expect: ["executor_killed"] },
  { name: "a frame of four million brackets", trick: "deepJson", expect: ["executor_killed"] },
  {
    name: "a message with a field of a million levels",
    trick: "deepMessage",
    expect: ["answered", "executor_killed"],
  },
  { name: "frames of other kinds", trick: "otherKinds", expect: ["executor_killed"] },
  { name: "messages and results that would pollute prototypes", trick: "pollution", expect: ["answered"] },
  { name: "a message whose fields are inherited", trick: "inheritedFields", expect: ["executor_killed"] },
  { name: "a result that is no JSON", trick: "resultNoJson", expect: ["executor_fault"] },
  { name: "a result beyond its limit", trick: "resultTooLarge", expect: ["result_too_large"] },
  { name: "a result of another type", trick: "resultOfOtherTypes", expect: ["executor_killed"] },
  { name: "an unknown code", trick: "unknownCode", expect: ["executor_killed"] },
  { name: "an error of megabytes", trick: "longTexts", expect: ["function_error"] },
  { name: "dropped lines below zero", trick: "hugeCounts", expect: ["answered", "executor_killed"] },
  { name: "a run over its memory that goes on", trick: "overAndStays", expect: ["function_memory_exceeded"] },
  { name: "a run under way given back", trick: "giveBackWhatRuns", expect: ["executor_killed"] },
  { name: "asks for key-value stores without end", trick: "kvFlood", expect: ["executor_killed"] },
  { name: "an ask for a key-value store that is too long", trick: "kvTooLong", expect: ["executor_killed"] },
  { name: "an ask for a key-value store that is none", trick: "kvNoAsk", expect: ["executor_killed"] },
  { name: "asks for the key-value stores of others", trick: "kvOfStrangers", expect: ["answered"] },
  { name: "two hundred thousand runs given back", trick: "giveBackTooMany", expect: ["executor_killed"] },
  { name: "ready again and again", trick: "readyAgain", expect: ["answered"] },
  { name: "log lines without end", trick: "logFlood", expect: STOPPED },
  { name: "log lines of megabytes without end", trick: "longLogs", expect: STOPPED },
  { name: "a log line of no possible date", trick: "logsBeyondTime", expect: ["executor_killed"] },
  { name: "log fields that are no objects", trick: "logFieldsNoObject", expect: ["answered"] },
  { name: "stderr without end", trick: "stderrFlood", expect: STOPPED },
  { name: "a pipe that is closed by a process that lives on", trick: "closesPipe", expect: STOPPED },
  { name: "silence", trick: "silence", expect: ["function_timeout"] },
  { name: "a process that ends itself", trick: "dies", expect: ["executor_killed"] },
  { name: "a process that stops itself", trick: "stopsItself", expect: ["function_timeout"] },
  { name: "a child left behind that holds the pipes", trick: "leavesChild", expect: STOPPED },
  { name: "fetches of runs of others", trick: "fetchOfStrangers", expect: ["answered", "executor_killed"] },
  { name: "a request body beyond its credit", trick: "fetchBeyondCredit", expect: STOPPED },
  { name: "a chunk of megabytes", trick: "fetchHugeChunk", expect: ["executor_killed"] },
  { name: "credit that is no number of bytes", trick: "fetchHugeCredit", expect: ["executor_killed"] },
  { name: "a request line with a second request in it", trick: "fetchOddHead", expect: STOPPED },
  { name: "an address and headers of megabytes", trick: "fetchHugeHead", expect: STOPPED },
  { name: "twenty thousand fetches", trick: "fetchFlood", expect: STOPPED },
  { name: "a hundred fetches of one number", trick: "fetchSameNumber", expect: STOPPED },
  { name: "fetches of other schemes", trick: "fetchOtherSchemes", expect: STOPPED },
  { name: "a response of a run that nobody called", trick: "callUnasked", expect: ["executor_killed"] },
  { name: "words about calls that are none", trick: "callOddFields", expect: ["executor_killed"] },
];

/** One sandbox with such executors, for forgeries one after the other. */
export class Forge {
  readonly #pool = new ExecutorPool({ ...DEFAULT_SANDBOX_SETTINGS, spawn: startFake }, undefined);
  readonly #tree = new ProcessTree([process.pid]);

  async try({ name, trick, expect }: Forgery): Promise<Bout> {
    const faults: string[] = [];
    const pool = this.#pool;
    await Promise.all([visit(pool, "other", faults), visit(pool, "own", faults)]);
    const idleBytes = this.#tree.watch();
    const lines: LogLine[] = [];
    const startedAt = performance.now();
    const wallMs = expect.includes("function_timeout") ? WALL_MS : ANSWER_WALL_MS;
    const attack = call(pool, "own", trick, wallMs, lines);
    const during = await visit(pool, "other", faults);
    const attempt = await attack;
    const tookMs = performance.now() - startedAt;
    const after = await Promise.all([visit(pool, "other", faults), visit(pool, "own", faults)]);
    const growthBytes = this.#tree.unwatch() - idleBytes;
    const seen: Observation = {
      outcome: outcomeOf(attempt),
      answers: [],
      lines: lines.map(({ level, message }) => ({ level, message })),
      said: JSON.stringify([attempt, lines]),
      tookMs,
      wallMs,
      growthBytes: process.platform === "linux" ? growthBytes : undefined,
      neighbours: { worstMs: Math.max(during, ...after), faults },
      accidents: accidents(attempt, lines),
      trespasses: 0,
    };
    const expected = expect.includes("answered")
      ? { answer: () => undefined, codes: expect }
      : { codes: expect };
    return {
      outcome: seen.outcome,
      tookMs,
      growthBytes: seen.growthBytes,
      neighbourMs: seen.neighbours.worstMs,
      faults: judge({ name, source: "", expect: expected }, seen, ["forged"]),
    };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

function startFake() {
  return spawn(process.execPath, ["--no-warnings", FAKE], {
    env: {},
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
}

function call(
  pool: ExecutorPool,
  namespaceId: string,
  input: Json,
  wallMs: number,
  lines: LogLine[] = [],
): Promise<AttemptOutcome> {
  const { concurrency: _, ...limits } = DEFAULT_FUNCTION_LIMITS;
  return pool.invoke(
    {
      runId: `run-of-${namespaceId}`,
      namespaceId,
      revisionId: "revision",
      code: "",
      input,
      attempt: 1,
      scheduledFor: new Date(0),
      env: {},
      limits: { ...limits, wallMs },
      reuse: true,
      trigger: "invoke",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    { signal: new AbortController().signal, onLog: (line) => lines.push(line) },
  );
}

/** How long a neighbour took. */
async function visit(pool: ExecutorPool, namespaceId: string, faults: string[]): Promise<number> {
  const startedAt = performance.now();
  const attempt = await call(pool, namespaceId, 41, ANSWER_WALL_MS);
  if (attempt.kind !== "succeeded" || attempt.result !== 42) {
    faults.push(`the neighbour in ${namespaceId} got ${JSON.stringify(attempt)}`);
  }
  return performance.now() - startedAt;
}

function outcomeOf(attempt: AttemptOutcome): Outcome {
  if (attempt.kind === "succeeded") return { kind: "answered", answer: attempt.result };
  return { kind: "failed", code: attempt.kind === "failed" ? attempt.error.code : attempt.kind };
}

const MAX_TEXT_CHARS = 30_000;
const MAX_LINES = DEFAULT_FUNCTION_LIMITS.logLines + 1;

function accidents(attempt: AttemptOutcome, lines: LogLine[]): string[] {
  const found: string[] = [];
  if ("polluted" in {}) found.push("the worker's prototypes are polluted");
  if (lines.length > MAX_LINES) found.push(`${lines.length} lines were kept`);
  if (attempt.kind === "failed" && JSON.stringify(attempt).length > MAX_TEXT_CHARS) {
    found.push("an error of megabytes was kept");
  }
  const longest = Math.max(0, ...lines.map((line) => JSON.stringify(line).length));
  if (longest > MAX_TEXT_CHARS) found.push(`a line of ${longest} characters was kept`);
  return found;
}
