/** What a callback tells of a run that has ended, or is late: to programs as JSON, to people as an e-mail. */
import type { Json, JsonObject } from "../json.ts";
import type { CalledState } from "./callbacks.ts";
import type { EmailSpec, HttpSpec } from "./task-spec.ts";

/** Of its JSON text. */
export const MAX_MESSAGE_BYTES = 65_536;
const MAX_SHOWN_ERROR_CHARS = 2_000;

/** How a run ended, or what else is told of it, as the event of that name (events.ts). */
export type ToldEvent = CalledState | "late" | "overran";

export interface RunFacts {
  event: ToldEvent;
  at: Date;
  /** As the API shows it, at its end or now; and what the event says besides. */
  run: JsonObject & { id: string; taskId: string | null; type: string };
  /** Of its task. */
  taskName: string | null;
}

/** What is told, in the two forms. */
export interface Telling {
  message: JsonObject;
  email: { subject: string; lines: string[] };
}

export const tellRun = (facts: RunFacts): Telling => ({ message: toMessage(facts), email: toLines(facts) });

/** `{type, timestamp, data}`: what is too long for it is left out of `data`, which then says `truncated`. */
export function toMessage({ event, at, run }: RunFacts): JsonObject {
  const message = (data: JsonObject): JsonObject => ({
    type: `bellhop.run.${event}`,
    timestamp: at.toISOString(),
    data,
  });
  const withoutResult = { ...run, result: null, truncated: true };
  const candidates = [run, withoutResult, { ...withoutResult, attempts: [] }];
  const fitting = candidates.find((data) => Buffer.byteLength(JSON.stringify(data)) <= MAX_MESSAGE_BYTES);
  return message(fitting ?? { ...withoutResult, attempts: [], error: shortenError(run) });
}

/** Its details may be as long as their author likes. */
function shortenError({ error }: JsonObject): JsonObject | null {
  if (error === null || typeof error !== "object") return null;
  const { code, message } = error as { code?: string; message?: string };
  return { code: code ?? "", message: (message ?? "").slice(0, MAX_SHOWN_ERROR_CHARS) };
}

export const toRequest = (url: string, { message }: Telling): HttpSpec => ({
  type: "http",
  method: "POST",
  url,
  headers: {},
  body: message,
  followRedirects: true,
});

export const toEmail = (to: string, { email: { subject, lines } }: Telling): EmailSpec => ({
  type: "email",
  to: [to],
  cc: [],
  bcc: [],
  subject,
  body: `${[`${subject}.`, "", ...lines].join("\n")}\n`,
  attachments: [],
});

function toLines({ run, event, taskName, at }: RunFacts): Telling["email"] {
  const what = taskName === null ? `A run of type ${run.type}` : `A run of "${taskName}"`;
  const error = shortenError(run);
  const lineOf = (name: string, value: Json | undefined, unit = "") =>
    value === undefined || value === null ? [] : [`${name}: ${String(value)}${unit}`];
  const lines = [
    `Run: ${run.id}`,
    ...lineOf("Task", run.taskId),
    `State: ${String(run["state"])}`,
    `Scheduled for: ${String(run["scheduledFor"])}`,
    ...lineOf("Had to succeed by", run["dueAt"]),
    ...lineOf("Waited", run["waitMs"], " ms"),
    ...lineOf("Ran", run["runMs"], " ms"),
    ...(isEnd(event) ? [`Ended: ${at.toISOString()}`] : []),
    `Attempts: ${(run["attempts"] as unknown[]).length}`,
    ...(error ? [`Error: ${String(error["code"])}: ${String(error["message"])}`] : []),
  ];
  return { subject: `${what} ${VERBS[event]}`, lines };
}

const isEnd = (event: ToldEvent) => event !== "late" && event !== "overran";

const VERBS: Record<ToldEvent, string> = {
  succeeded: "succeeded",
  failed: "failed",
  dead: "failed and is a dead letter",
  expired: "expired",
  cancelled: "was cancelled",
  skipped: "was skipped",
  late: "has not succeeded in time",
  overran: "has outlasted its interval",
};

/** Of an occurrence that has not fired. */
export interface UnfiredFacts {
  taskId: string;
  taskName: string | null;
  scheduledFor: Date;
  dueAt: Date;
  at: Date;
}

export function tellUnfired({ taskId, taskName, scheduledFor, dueAt, at }: UnfiredFacts): Telling {
  const instants = { scheduledFor: scheduledFor.toISOString(), dueAt: dueAt.toISOString() };
  const what = taskName === null ? "A task" : `"${taskName}"`;
  return {
    message: {
      type: "bellhop.task.late",
      timestamp: at.toISOString(),
      data: { taskId, name: taskName, ...instants },
    },
    email: {
      subject: `${what} has not fired`,
      lines: [
        `Task: ${taskId}`,
        `Scheduled for: ${instants.scheduledFor}`,
        `Had to succeed by: ${instants.dueAt}`,
      ],
    },
  };
}
