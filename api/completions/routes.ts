/** `POST /complete/{token}`: the token is the key, of one attempt. It stands in no log, no metric and no error. */
import type { Context } from "hono";
import { z } from "zod";
import { COMPLETE_PATH, completionInput, completionOutput } from "../../core/contracts/completion.ts";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { type Completion, toAttemptEnd } from "../../core/domain/completion.ts";
import { BellhopError } from "../../core/errors.ts";
import { openSecrets } from "../../core/secrets/open-secrets.ts";
import { createRedactor } from "../../core/secrets/redact.ts";
import { redactOutcome } from "../../core/secrets/redact-outcome.ts";
import {
  type ClaimedAttempt,
  completeAttempt,
  extendAttempt,
  findOpenAttempt,
} from "../../core/store/runs/complete.ts";
import { loadNamespaceSecrets } from "../../core/store/secrets.ts";
import { parseJson, validate } from "../bodies/body.ts";
import { holdBytes, receiveBody } from "../bodies/receive-body.ts";
import { refuseUnstorable } from "../bodies/stored-text.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { spanOf } from "../http/trace-requests.ts";

export const MAX_COMPLETION_BYTES = 1_000_000;

export const unknownToken = () =>
  new BellhopError("completion_token_unknown", 404, PROBLEM_CODES.completion_token_unknown);

const attemptOver = () =>
  new BellhopError(
    "attempt_over",
    410,
    "The attempt has ended: it was completed before, timed out, was cancelled or is being retried.",
  );

const bodyTooLarge = () =>
  new BellhopError("body_too_large", 413, `The body may have at most ${MAX_COMPLETION_BYTES} bytes.`);

const completeRun = defineRoute({
  method: "POST",
  path: `${COMPLETE_PATH}/:token`,
  operationId: "completeAttempt",
  summary: "Complete an attempt later, or say that it continues",
  description:
    "The token is the key: it comes with an HTTP task's request, in `Bellhop-Complete-Url`, and is invalid once the attempt has ended.",
  access: null,
  params: {
    token: z.string().meta({ description: "The attempt's token.", examples: [`bhc_${"x".repeat(70)}`] }),
  },
  idempotency: { by: null, why: "An attempt ends once: who repeats the call hears that it is over." },
  ownBody: { content: { "application/json": completionInput } },
  answers: { 200: { is: "The call was accepted.", schema: completionOutput, headers: ["bellhop-run-id"] } },
  errors: {
    400: ["bad_request", "invalid_json"],
    404: ["completion_token_unknown"],
    408: ["request_body_too_slow"],
    410: ["attempt_over"],
    413: ["body_too_large"],
    422: ["invalid_input"],
    503: ["too_many_bodies", "secrets_unavailable"],
  },
  async handle({ parts, context, params: { token } }) {
    const attempt = parts.completionTokens?.read(token);
    if (!attempt) throw unknownToken();
    spanOf(context).set({ "bellhop.run.id": attempt.runId });
    const found = await findOpenAttempt(parts.store, attempt);
    if (!found) return refuse(parts);
    const completion = await readCompletion(parts, context, found.namespaceId);
    const { runId } = attempt;
    const headers = { "bellhop-run-id": runId };
    if ("heartbeat" in completion) {
      const extended = await extendAttempt(parts.store, attempt);
      if (!extended) return refuse(parts);
      parts.metrics.completions.inc({ outcome: "heartbeat" });
      const completeBy = extended.completeBy?.toISOString();
      return {
        status: 200,
        body: { runId, state: "running" as const, ...(completeBy && { completeBy }) },
        headers,
      };
    }
    const ended = await complete(parts, attempt, completion);
    if (!ended) return refuse(parts);
    parts.metrics.completions.inc({ outcome: "result" in completion ? "result" : "failure" });
    parts.ends.tell([ended]);
    return { status: 200, body: { runId, state: ended.state }, headers };
  },
});

export const completionFeature: Feature = {
  tag: "Completions",
  description: "Runs of HTTP tasks that are completed later, by the server that received their request.",
  routes: [completeRun],
};

function refuse({ metrics }: ApiParts): { error: BellhopError } {
  metrics.completions.inc({ outcome: "over" });
  return { error: attemptOver() };
}

/** No key bounds who calls: what comes is counted with other bodies until it is read. */
async function readCompletion(
  { edge }: ApiParts,
  context: Context<ApiEnv>,
  namespaceId: string,
): Promise<Completion> {
  const held = holdBytes(edge, { namespaceId, functionId: namespaceId });
  try {
    const received = { request: context.req.raw, incoming: incomingOf(context) };
    const body = await receiveBody(edge, received, held, MAX_COMPLETION_BYTES, bodyTooLarge);
    const text = body.toString();
    const value = parseJson(text);
    refuseUnstorable(value, text);
    return validate(completionInput, value);
  } finally {
    held.release();
  }
}

/** What it says may hold the secrets that it was sent. */
async function complete(
  { store, sealer }: ApiParts,
  attempt: ClaimedAttempt,
  completion: Exclude<Completion, { heartbeat: true }>,
) {
  return await completeAttempt(store, attempt, async ({ namespaceId, namesSecrets }, tx) => {
    const end = toAttemptEnd(completion);
    if (!namesSecrets) return end;
    const secrets = openSecrets(await loadNamespaceSecrets(tx, namespaceId), sealer);
    return redactOutcome(end, createRedactor(secrets.map(({ name, value }) => [name, value])));
  });
}
