/** A run that failed for good, told in one line: as JSON among a role's lines, or as text for who watches a console. */
import type { RunTrigger } from "../domain/run-trigger.ts";
import type { TaskType } from "../domain/task-spec.ts";

/** Marks the line among all others. */
const EVENT = "run_failed";

export interface FailedRun {
  runId: string;
  /** Null: a call. */
  taskId: string | null;
  type: TaskType;
  /** Its name; undefined: a task of another type. */
  function: string | undefined;
  trigger: RunTrigger;
  code: string;
  /** How many attempts were made. */
  attempt: number;
  /** It is a dead letter, and can be redriven. */
  isDead: boolean;
}

/** The fields of its log line. What the run said is its owner's, and in no line. */
export function describeFailedRun(failed: FailedRun): { fields: object; message: string } {
  const { runId, code, isDead, ...facts } = failed;
  const what = failed.function === undefined ? failed.type : `function ${failed.function}`;
  const became = isDead ? "failed and is a dead letter" : "failed";
  return {
    fields: { event: EVENT, runId, ...facts, code, isDead },
    message: `run ${runId} (${what}, ${failed.trigger}) ${became}: ${code}; GET /v1/runs/${runId} tells more`,
  };
}

/** What only the line's writer adds. */
interface LoggedFailure extends FailedRun {
  time: string;
}

/** The line of the log as text for a console; undefined: it tells of something else. */
export function renderFailedRun(line: string, hasColour: boolean): string | undefined {
  // A quote inside a string is escaped: nothing but the field reads like this.
  if (!line.includes(`"event":"${EVENT}"`)) return undefined;
  const failed = JSON.parse(line) as LoggedFailure;
  const { time, type, taskId, trigger, code, attempt, runId, isDead } = failed;
  const paint = (style: number, text: string) =>
    hasColour ? `\x1b[${style}m${printable(text)}\x1b[0m` : printable(text);
  const [bold, red, dim] = [1, 31, 2];
  const named = failed.function === undefined ? type : `function ${failed.function}`;
  const ofTask = failed.function === undefined ? ` task ${taskId}` : ` of task ${taskId}`;
  const what = taskId === null ? named : `${named}${ofTask}`;
  const parts = [
    `${paint(dim, time)} ${paint(red, "run failed")}: ${paint(bold, what)}`,
    `trigger ${printable(trigger)}`,
    paint(red, code),
    `${attempt} ${attempt === 1 ? "attempt" : "attempts"}`,
    `${isDead ? "dead letter" : "run"} ${printable(runId)}`,
  ];
  return `${parts.join(", ")}\n`;
}

/** Nothing that a terminal obeys, or that turns text around. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\uFFFD");

/** Whether what is written there may be coloured: a terminal, and nobody said no (no-color.org). */
export function takesColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
