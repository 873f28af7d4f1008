/** Runs an http task: one request through egress, its response recorded, its status judged. */
import { STATUS_CODES } from "node:http";
import type { Clock } from "../../core/clock.ts";
import { type AttemptOutcome, failed, succeeded } from "../../core/domain/attempt.ts";
import type { HttpSpec } from "../../core/domain/task-spec.ts";
import type { Egress, EgressResponse } from "../../core/egress/egress.ts";
import { EgressError } from "../../core/egress/egress-error.ts";
import { isRedirect, losesBody } from "../../core/egress/redirect.ts";
import { parseRetryAfter } from "../../core/egress/retry-after.ts";
import { USER_AGENT } from "../../core/egress/user-agent.ts";
import { JsonSource, writeJson } from "../../core/json-source.ts";
import { SIGNATURE_HEADERS } from "../../core/secrets/webhook-signature.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { describeCallAnswer, startCallSpan } from "../../core/telemetry/http-spans.ts";
import type { DeliverySigner } from "./delivery-signer.ts";
import { MAX_RECORDED_BODY_BYTES, recordResponse } from "./http-record.ts";
import { loadInTime, toSecretsFailure } from "./load-in-time.ts";
import type { AttemptContext, TaskRunner } from "./task-runner.ts";
import { createTraceparent } from "./trace-context.ts";

const MAX_SHOWN_URL_CHARS = 300;

export interface HttpRunnerParts {
  egress: Egress;
  /** Undefined where no key seals secrets: then deliveries are not signed. */
  signer?: DeliverySigner | undefined;
  clock: Clock;
  /** Where an attempt is completed later; undefined: nowhere, as nobody said where the API is reached. */
  completeUrlOf?: ((run: ClaimedRun) => string) | undefined;
}

export function createHttpRunner({ egress, signer, clock, completeUrlOf }: HttpRunnerParts): TaskRunner {
  return async (run, context) => {
    if (run.spec.type !== "http") throw new TypeError(`an http runner got a run of type ${run.spec.type}`);
    const spec = run.spec;
    const started = performance.now();
    const span = startCallSpan(context.span, spec.method, spec.url);
    const { headers, body } = buildRequest(run, spec, span.traceparent);
    // A callback only tells: nothing waits for its receiver.
    const completeUrl = run.taskId === null ? undefined : completeUrlOf?.(run);
    if (completeUrl !== undefined) headers["Bellhop-Complete-Url"] = completeUrl;
    try {
      const signature = signer ? await signInTime(signer, run, body, context, clock) : UNSIGNED;
      if (signature.kind !== "signed") {
        if (signature.kind === "failed") span.fail(signature.error.code);
        return signature;
      }
      const response = await egress.request({
        url: spec.url,
        method: spec.method,
        tenant: run.namespaceId,
        headers: { ...headers, ...signature.headers },
        body,
        followRedirects: spec.followRedirects,
        signal: context.stop ?? context.signal,
        maxResponseBytes: MAX_RECORDED_BODY_BYTES,
        ...(context.secrets && { confidential: context.secrets }),
      });
      describeCallAnswer(span, response.status);
      if (run.taskId !== null && isPutOff(response))
        return putOff(spec, completeUrl !== undefined, context, millisSince(started));
      return judge(spec, response, context, millisSince(started));
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      const { code, message, retryable } = error;
      span.fail(code);
      context.log("warn", `${showRequest(spec)} failed: ${message}`, {
        code,
        durationMs: millisSince(started),
      });
      return failed(code, message, { retryable });
    } finally {
      span.end();
    }
  };
}

/** The server has taken the work, and says how it went when that is known. */
function isPutOff({ status, headers }: EgressResponse): boolean {
  return status === 202 && headers["bellhop-complete"]?.trim().toLowerCase() === "later";
}

function putOff(
  spec: HttpSpec,
  isOffered: boolean,
  context: AttemptContext,
  durationMs: number,
): AttemptOutcome {
  const facts = { status: 202, durationMs };
  if (isOffered) {
    context.log("info", `${showRequest(spec)} → 202 in ${durationMs} ms, to be completed later`, facts);
    return { kind: "deferred" };
  }
  const message =
    `${showRequest(spec)} answered that it will complete the run later, but was sent no Bellhop-Complete-Url: ` +
    "the operator has not set BELLHOP_PUBLIC_URL and BELLHOP_SECRETS_KEY for this worker.";
  context.log("warn", message, facts);
  return failed("completion_not_offered", message, { retryable: false });
}

interface Signature {
  kind: "signed";
  headers: Record<string, string>;
}
const UNSIGNED: Signature = { kind: "signed", headers: {} };

/** Nothing is sent without the signature that its receiver looks for. */
async function signInTime(
  signer: DeliverySigner,
  { id, namespaceId }: ClaimedRun,
  body = "",
  context: AttemptContext,
  clock: Clock,
): Promise<Signature | AttemptOutcome> {
  const sign = () => signer.sign(namespaceId, { id, body });
  try {
    return { kind: "signed", headers: await loadInTime(sign, context, clock) };
  } catch (error) {
    const code = toSecretsFailure(error);
    return failed(code, UNSIGNABLE[code], { retryable: true });
  }
}

const UNSIGNABLE = {
  database_unavailable: "The request was not sent: the database did not answer in time for what signs it.",
  secrets_unavailable: "The request was not sent: the namespace's signing secrets could not be opened.",
};

function judge(
  spec: HttpSpec,
  response: EgressResponse,
  context: AttemptContext,
  durationMs: number,
): AttemptOutcome {
  const { status } = response;
  const asHoped = isExpected(status, spec.expectStatus);
  context.log(asHoped ? "info" : "warn", `${showRequest(spec)} → ${status} in ${durationMs} ms`, {
    status,
    durationMs,
    bytes: response.body.length,
  });
  const result = recordResponse(response, context.secrets === undefined);
  if (asHoped) return succeeded(result);
  const answered = `${showRequest(spec)} answered ${status} ${STATUS_CODES[status] ?? ""}`.trimEnd();
  const message = answered + explainRedirect(spec, response, context);
  const details = { status };
  if (!isRetryableStatus(status))
    return failed("http_status", message, { retryable: false, details, result });
  const retryAfterMs = parseRetryAfter(response.headers["retry-after"], new Date());
  return failed("http_status", message, {
    retryable: true,
    details,
    result,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Where the redirect was not followed for the sake of the body, or of a secret in it. */
function explainRedirect(
  { followRedirects, method }: HttpSpec,
  { status, headers }: EgressResponse,
  { secrets }: AttemptContext,
): string {
  if (headers["location"] === undefined || followRedirects === false) return "";
  if (followRedirects === true && losesBody(status, method))
    return (
      `: a redirect to a GET without the body, so that nothing would have been delivered. Give the URL that takes ` +
      `the ${method}, or "followRedirects": "as-get" to follow.`
    );
  if (!secrets?.isInBody || !isRedirect(status)) return "";
  return ": a redirect to another origin, which is not told the secret in the body. Give the URL that takes it.";
}

/** The statuses that speak of the moment, not of the request. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

function isExpected(status: number, expected: number[] | undefined): boolean {
  return expected ? expected.includes(status) : status >= 200 && status < 300;
}

interface BuiltRequest {
  headers: Record<string, string>;
  body: string | undefined;
}

/** The author's headers win over our defaults; `Bellhop-*` and the signature's are ours alone. */
export function buildRequest(
  run: ClaimedRun,
  spec: HttpSpec,
  traceparent: string = createTraceparent(run.id),
): BuiltRequest {
  const headers: Record<string, string> = {};
  const given = takeGiven(spec.headers, headers);
  if (!given?.has("user-agent")) headers["User-Agent"] = USER_AGENT;
  if (!given?.has("idempotency-key")) headers["Idempotency-Key"] = run.id;
  if (!given?.has("traceparent")) headers["traceparent"] = traceparent;
  headers["Bellhop-Run-Id"] = run.id;
  if (run.taskId !== null) headers["Bellhop-Task-Id"] = run.taskId;
  headers["Bellhop-Attempt"] = String(run.attempt);
  headers["Bellhop-Scheduled-At"] = run.scheduledFor.toISOString();
  if (spec.body === undefined) return { headers, body: undefined };
  if (typeof spec.body === "string") return { headers, body: spec.body };
  if (!given?.has("content-type")) headers["Content-Type"] = "application/json";
  return { headers, body: spec.body instanceof JsonSource ? spec.body.text : writeJson(spec.body) };
}

/** Their names in lower case; undefined: the author gave none. */
function takeGiven(
  given: Readonly<Record<string, string>>,
  headers: Record<string, string>,
): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (const name in given) {
    const lower = name.toLowerCase();
    if (lower.startsWith("bellhop-") || SIGNATURE_HEADERS.has(lower)) continue;
    names ??= new Set();
    names.add(lower);
    headers[name] = given[name]!;
  }
  return names;
}

/** By their specs, which the runs of a claim often share; no longer than they live: secrets stand in their URLs. */
const shown = new WeakMap<HttpSpec, string>();

/** Method, origin and path: queries and credentials hold secrets. */
function showRequest(spec: HttpSpec): string {
  const found = shown.get(spec);
  if (found !== undefined) return found;
  const written = writeRequest(spec);
  shown.set(spec, written);
  return written;
}

function writeRequest({ method, url }: HttpSpec): string {
  const parsed = URL.parse(url);
  if (!parsed) return method;
  const request = `${method} ${parsed.origin}${parsed.pathname}`;
  return request.length > MAX_SHOWN_URL_CHARS ? `${request.slice(0, MAX_SHOWN_URL_CHARS)}…` : request;
}

function millisSince(started: number): number {
  return Math.round(performance.now() - started);
}
