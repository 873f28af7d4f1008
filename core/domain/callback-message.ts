/** What a callback tells of a run that has ended: to programs as JSON, to people as an e-mail. */
import type { JsonObject } from "../json.ts";
import type { CalledState } from "./callbacks.ts";
import type { EmailSpec, HttpSpec } from "./task-spec.ts";

/** Of its JSON text. */
export const MAX_MESSAGE_BYTES = 65_536;
const MAX_SHOWN_ERROR_CHARS = 2_000;

export interface EndedFacts {
  state: CalledState;
  endedAt: Date;
  /** As the API shows it, at its end. */
  run: JsonObject & { id: string; taskId: string | null; type: string };
  /** Of its task. */
  taskName: string | null;
}

/** `{type, timestamp, data}`: what is too long for it is left out of `data`, which then says `truncated`. */
export function toMessage({ state, endedAt, run }: EndedFacts): JsonObject {
  const message = (data: JsonObject): JsonObject => ({
    type: `bellhop.run.${state}`,
    timestamp: endedAt.toISOString(),
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

export const toRequest = (url: string, facts: EndedFacts): HttpSpec => ({
  type: "http",
  method: "POST",
  url,
  headers: {},
  body: toMessage(facts),
  followRedirects: true,
});

export function toEmail(to: string, facts: EndedFacts): EmailSpec {
  const { run, state, taskName, endedAt } = facts;
  const what = taskName === null ? `a run of type ${run.type}` : `a run of "${taskName}"`;
  const error = shortenError(run);
  const lines = [
    `${capitalise(what)} ${VERBS[state]}.`,
    "",
    `Run: ${run.id}`,
    ...(run.taskId === null ? [] : [`Task: ${run.taskId}`]),
    `State: ${state}`,
    `Scheduled for: ${String(run["scheduledFor"])}`,
    `Ended: ${endedAt.toISOString()}`,
    `Attempts: ${(run["attempts"] as unknown[]).length}`,
    ...(error ? [`Error: ${String(error["code"])}: ${String(error["message"])}`] : []),
  ];
  return {
    type: "email",
    to: [to],
    cc: [],
    bcc: [],
    subject: `${capitalise(what)} ${VERBS[state]}`,
    body: `${lines.join("\n")}\n`,
    attachments: [],
  };
}

const VERBS: Record<CalledState, string> = {
  succeeded: "succeeded",
  failed: "failed",
  dead: "failed and is a dead letter",
  expired: "expired",
  cancelled: "was cancelled",
  skipped: "was skipped",
};

const capitalise = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
