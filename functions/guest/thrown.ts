/** What was thrown, told in texts: crosses from the guest to the worker, and stands in the run's error. */
export interface Thrown {
  name: string;
  message: string;
  stack: string;
  /** What libraries tell errors apart by, such as `ECONNREFUSED`. */
  code?: string;
}

export interface ThrownInFull extends Thrown {
  /** Its `cause`, the cause's cause and so on, and of an AggregateError its `errors`: in the order they are met. */
  causes?: Thrown[];
}

/** What a function says of its next attempt, by what it throws. */
export interface AttemptWord {
  again: "retry" | "fatal";
  /** What that waits; left out: what its task says. */
  afterMs?: number;
}

export function isThrown(value: unknown): value is Thrown {
  if (typeof value !== "object" || value === null) return false;
  const { name, message, stack, code = "" } = value as Partial<Record<keyof Thrown, unknown>>;
  return [name, message, stack, code].every((text) => typeof text === "string");
}

/** How a line of a log begins that tells of one. */
export const UNHANDLED_REJECTION = "Unhandled rejection";

/** Of a message: the rest of the line is for the stack and the causes. */
const MAX_TOLD_CHARS = 4_000;

/** For a line of a log; each `stack` is frames alone, one a line. */
export function writeThrown({ name, message, code, stack, causes = [] }: ThrownInFull): string {
  const told = message.length > MAX_TOLD_CHARS ? `${message.slice(0, MAX_TOLD_CHARS)}…` : message;
  const head = told === "" ? name : `${name}: ${told}`;
  const frames = stack === "" ? [] : stack.split("\n").map((frame) => `\n    ${frame}`);
  const reasons = causes.map((cause) => `\nCaused by: ${writeThrown(cause)}`);
  return [head, code === undefined ? "" : ` (${code})`, ...frames, ...reasons].join("");
}
