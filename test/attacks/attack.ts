/** What an attack is, and what may come of it. */
import type { Json } from "../../core/json.ts";

/** Where an attacker would like to get, as seen from the machine the arena runs on. */
export interface Targets {
  /** `http://127.0.0.1:PORT` each: the API, the worker's probes, a server that nothing may reach. */
  api: string;
  worker: string;
  forbidden: string;
  /** `http://127.0.0.2:PORT`: the one private address this arena allows; it redirects `/to?<url>` there. */
  allowed: string;
  /** host:port */
  postgres: string;
  /** A function of another namespace, and a run of it. */
  foreignFunction: string;
  foreignRunId: string;
}

export interface AttackLimits {
  memoryMb?: number;
  cpuMs?: number;
  wallMs?: number;
  logLines?: number;
  resultBytes?: number;
  subrequests?: number;
}

export interface Attack {
  /** What it tries. */
  name: string;
  /** TypeScript of `index.ts`; it may import from "./probe.ts" (guest/probe.ts). */
  source: string;
  /** Files beside it. */
  files?: Record<string, string>;
  /** Of one call, or of several on the same revision one after the other, of which the last is judged. */
  inputs?: Json[] | ((targets: Targets) => Json[]);
  /** The same upload is called with this in another namespace first. */
  inFirst?: Json;
  /** So many calls at once with the first of `inputs`, and as many by an accomplice in a namespace of his own. */
  crowd?: number;
  /** Default 64 MB and 5 s. */
  limits?: AttackLimits;
  /** Default true: calls may find what an earlier one left. */
  reuse?: boolean;
  expect: Expectation;
}

/** At least one of the three; what is not named must not come. */
export interface Expectation {
  /** The answer, or what is wrong with one; the lines are those of the last call's log. */
  answer?: { equal: Json } | ((answer: Json, lines: LogLine[]) => string | undefined);
  /** Codes of the run's error. */
  codes?: readonly string[];
  /** No two of the calls may answer alike. */
  differs?: true;
  /** Codes of the refusal of the upload. */
  refusals?: readonly string[];
  /** The most that all processes may grow together; default 400. */
  growthMb?: number;
  /** The most that the worker itself, without its executors, may grow. */
  workerMb?: number;
}

export interface LogLine {
  level: string;
  message: string;
  fields?: Json;
}

export const DEFAULT_LIMITS = { memoryMb: 64, wallMs: 5_000 } as const;

/** The guest tells what it found, and found nothing. */
export const FINDS_NOTHING: Expectation = { answer: { equal: [] } };
/** Any answer of its own: what it must not hold is looked for in every answer. */
export const ANYTHING: Expectation = { answer: () => undefined, codes: ["function_error"] };

export const answers = (equal: Json): Expectation => ({ answer: { equal } });
export const fails = (...codes: string[]): Expectation => ({ codes });

/** Short forms for catalogues: attacks that differ in their name and body alone. */
export function attacksOf(
  rows: [name: string, source: string][],
  rest: Omit<Attack, "name" | "source">,
): Attack[] {
  return rows.map(([name, source]) => ({ name, source, ...rest }));
}
