/** What a replay is given: by its caller, or by the run that it replays. */
import { OWN_JSON_FIELD, OWN_JSON_HINT } from "../../core/contracts/task-spec.ts";
import { isRequest } from "../../core/domain/kept-input.ts";
import { isSentCallback, type ReplayFacts } from "../../core/domain/replay.ts";
import { type StoredRequestInput, withBody } from "../../core/domain/stored-request.ts";
import { BellhopError, conflict, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { findMemberText, JsonSource } from "../../core/json-source.ts";
import { toJsonText } from "../../core/store/json-text.ts";
import { takeGivenInput } from "../../core/store/runs/plan-replay.ts";
import { toGivenInput } from "../../core/store/tasks/spec-column.ts";
import type { JsonBody } from "../bodies/body.ts";
import { refuseUnstorable, refuseUnstorableSource } from "../bodies/stored-text.ts";

/** As for hooks, and for calls of a function's URL that wait in the queue. */
export const MAX_REQUEST_BODY_BYTES = 1_000_000;

/**
 * The input of the replay as its row has it; null: its task's own. 409 where the run's was not kept and none is given,
 * 422 where there can be none.
 * @param body the replay's own; `input` is its member of that name
 * @param holdsSecrets whether secrets are put into the body of an http task; refuses those that are unknown
 */
export async function chooseReplayInput(
  run: ReplayFacts,
  input: Json | undefined,
  body: JsonBody,
  holdsSecrets: (sent: Json | JsonSource) => Promise<boolean>,
): Promise<string | null> {
  if (input === undefined) return takeGivenInput(run);
  if (isSentCallback(run)) throw invalidField("input", "a callback sends what it sent before: leave it out");
  const isRequested = run.taskId === null && isRequest(run.trigger);
  // A body that is JSON is kept and sent as its author wrote it, whatever text it holds.
  const keepsText = run.type === "http" || isRequested;
  if (!keepsText || typeof input === "string") refuseUnstorable(body.value, body.text);
  const value =
    keepsText && typeof input !== "string" ? new JsonSource(findMemberText(body.text, "input")!) : input;
  if (isRequested) return toJsonText(replaceBody(run, value));
  if (value instanceof JsonSource) refuseUnstorableSource(value, "input");
  if (run.taskId === null) return toJsonText(value);
  const field = OWN_JSON_FIELD[run.type];
  if (field === undefined) throw invalidField("input", OWN_JSON_HINT[run.type]);
  return toGivenInput(field, value, field === "body" && (await holdsSecrets(value)));
}

/** The run's request with this body: a text as it is, other JSON as JSON, null for none. */
function replaceBody(run: ReplayFacts, value: Json | JsonSource): StoredRequestInput {
  const request = findRequest(run);
  if (value instanceof JsonSource && value.text === "null")
    return { request: withBody(request, Buffer.alloc(0)) };
  if (request.method === "GET" || request.method === "HEAD")
    throw invalidField("input", `a ${request.method} has no body: pass null, or leave it out`);
  const content = Buffer.from(value instanceof JsonSource ? value.text : (value as string));
  if (content.byteLength > MAX_REQUEST_BODY_BYTES) {
    const message = `The body of a replayed request may have at most ${MAX_REQUEST_BODY_BYTES} bytes.`;
    throw new BellhopError("body_too_large", 413, message);
  }
  const type = value instanceof JsonSource ? "application/json" : undefined;
  return { request: withBody(request, content, type) };
}

/** What is left of it: at least its method and URL. */
function findRequest({ originalInput, input, inputFate }: ReplayFacts) {
  // A URL that a secret was taken out of leads elsewhere.
  const isAltered = originalInput === null && inputFate === "redacted";
  const { request } = (originalInput ?? (isAltered ? null : input) ?? {}) as Partial<StoredRequestInput>;
  if (typeof request?.url === "string" && typeof request.method === "string") return request;
  throw conflict(
    "The URL of the run's request was not stored: the run cannot be replayed.",
    "input_not_kept",
  );
}
