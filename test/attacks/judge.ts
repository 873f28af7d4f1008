/** Whether an attack failed as it should: decided from what was seen of it. */
import type { Json } from "../../core/json.ts";
import type { Attack, Expectation, LogLine } from "./attack.ts";

const MEGABYTE = 1_048_576;
/** Above the idle size of every process of the system together. */
const MAX_GROWTH_MB = 400;
/** What outlasts its time does so for good; a busy machine is late by a second or two. */
const MAX_OVERTIME_MS = 10_000;
const MAX_NEIGHBOUR_MS = 5_000;

export type Outcome =
  | { kind: "answered"; answer: Json }
  | { kind: "failed"; code: string }
  | { kind: "refused"; code: string };

export interface Observation {
  outcome: Outcome;
  /** Of all calls. */
  answers: Json[];
  /** Of the last call. */
  lines: LogLine[];
  /** Everything the guest or its author got to read. */
  said: string;
  /** The longest call, or the upload where that was refused, and what it was allowed. */
  tookMs: number;
  wallMs: number;
  /** What a machine that is slow may take besides. */
  slackMs?: number;
  /** Undefined where the system does not tell. */
  growthBytes: number | undefined;
  /** Of the worker without its executors, where it is looked at. */
  workerGrowthBytes?: number | undefined;
  neighbours: { worstMs: number; faults: string[] };
  /** What happened to the system itself. */
  accidents: string[];
  trespasses: number;
}

/** What nobody outside may read: host paths, frames of Node, parts of the bridge. */
const INNER = [
  /\bnode:internal/,
  /\bat [^\n"]*\(?(node:|file:\/\/)/,
  /isolated[-_]vm/,
  /node_modules/,
  /\/(executor|sandbox)\/[\w-]+\.(ts|js)/,
];

/** What is wrong, a sentence each; nothing: the attack failed as it should. `secrets` are texts that must not be seen. */
export function judge(attack: Attack, seen: Observation, secrets: readonly string[]): string[] {
  const { tookMs, wallMs, slackMs = 0, growthBytes, neighbours } = seen;
  const faults = [judgeOutcome(attack.expect, seen)];
  const late = Math.round(tookMs - wallMs - MAX_OVERTIME_MS - slackMs);
  if (late > 0) faults.push(`took ${Math.round(tookMs)} ms, ${late} ms more than it may`);
  const grownMb = Math.round((growthBytes ?? 0) / MEGABYTE);
  if (grownMb > (attack.expect.growthMb ?? MAX_GROWTH_MB)) faults.push(`took ${grownMb} MB of memory`);
  faults.push(judgeWorker(attack.expect, seen));
  for (const secret of secrets) if (seen.said.includes(secret)) faults.push(`tells a secret: ${secret}`);
  for (const inner of INNER) {
    const leak = inner.exec(seen.said);
    if (leak)
      faults.push(
        `tells what is inside: ${seen.said.slice(Math.max(0, leak.index - 100), leak.index + 100)}`,
      );
  }
  if (seen.trespasses > 0) faults.push(`reached a forbidden address ${seen.trespasses} times`);
  if (neighbours.worstMs > MAX_NEIGHBOUR_MS + slackMs) {
    faults.push(`held a neighbour up for ${Math.round(neighbours.worstMs)} ms`);
  }
  return [...faults, ...neighbours.faults, ...seen.accidents].filter((fault) => fault !== undefined);
}

function judgeWorker({ workerMb }: Expectation, { workerGrowthBytes }: Observation): string | undefined {
  if (workerMb === undefined || workerGrowthBytes === undefined) return undefined;
  const grownMb = Math.round(workerGrowthBytes / MEGABYTE);
  return grownMb > workerMb ? `made the worker hold ${grownMb} MB more, ${workerMb} at most` : undefined;
}

/** A kill for memory blames a run only where no neighbour ran beside it: with one, each may be retried. */
function withCompany(codes: Expectation["codes"]): Expectation["codes"] {
  return codes?.includes("function_memory_exceeded") ? [...codes, "executor_killed"] : codes;
}

function judgeOutcome(expect: Expectation, { outcome, lines, answers }: Observation): string | undefined {
  if (outcome.kind === "failed") return judgeCode("failed with", outcome.code, withCompany(expect.codes));
  if (outcome.kind === "refused") return judgeCode("was refused with", outcome.code, expect.refusals);
  if (expect.differs && new Set(answers.flat()).size < answers.flat().length) {
    return `two calls answered alike: ${JSON.stringify(answers)}`;
  }
  const { answer } = expect;
  if (answer === undefined) return `answered ${brief(outcome.answer)}`;
  if (typeof answer === "function") return answer(outcome.answer, lines);
  const isEqual = JSON.stringify(outcome.answer) === JSON.stringify(answer.equal);
  return isEqual ? undefined : `answered ${brief(outcome.answer)} instead of ${brief(answer.equal)}`;
}

function judgeCode(what: string, code: string, allowed: readonly string[] | undefined): string | undefined {
  return allowed?.includes(code) ? undefined : `${what} ${code}`;
}

export function brief(answer: Json): string {
  const text = JSON.stringify(answer);
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text;
}
