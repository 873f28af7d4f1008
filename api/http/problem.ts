/** Whatever is thrown, as the problem document that its caller gets. */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { ZodError, type z } from "zod";
import { toFieldErrors } from "../../core/contracts/plain-words.ts";
import { REMEDIES } from "../../core/contracts/remedies.ts";
import { BellhopError, databaseUnavailable } from "../../core/errors.ts";
import { PROBLEM_CONTENT_TYPE, toProblemText } from "../../core/problem.ts";
import { isDatabaseAway, isDatabaseRefusing } from "../../core/store/database-away.ts";
import type { Logger } from "../../core/telemetry/log.ts";

/** Its code's place on the page of errors goes with it, as a link that helps (RFC 8288); ADR 0078 says why `type` has it not. */
export function answerProblem(context: Context, error: BellhopError): Response {
  if (error.status === 401) context.header("www-authenticate", 'Bearer realm="bellhop"');
  if (error.retryAfterSeconds !== undefined) context.header("retry-after", String(error.retryAfterSeconds));
  const help: string | undefined = context.get("errorsAddress");
  if (help !== undefined && error.code in REMEDIES)
    context.header("link", `<${help}#${error.code}>; rel="help"`);
  // What is left of the request is not worth waiting for.
  if (error.status === 408) context.header("connection", "close");
  return context.body(toProblemText(error), error.status as ContentfulStatusCode, {
    "content-type": PROBLEM_CONTENT_TYPE,
  });
}

/**
 * What was thrown, as an error for the caller; what nobody foresaw is logged, with `logFields`, and says nothing of the
 * inside.
 */
export function toBellhopError(thrown: unknown, log: Logger, logFields: object = {}): BellhopError {
  if (thrown instanceof BellhopError) return thrown;
  if (thrown instanceof ZodError) return toInputError(thrown);
  if (thrown instanceof HTTPException) {
    return new BellhopError("bad_request", thrown.status, thrown.message || "The request could not be read.");
  }
  if (isDatabaseAway(thrown)) {
    log.warn({ error: thrown, ...logFields }, "a request found no database");
    return databaseUnavailable();
  }
  if (isDatabaseRefusing(thrown)) {
    log.error({ error: thrown, ...logFields }, "the database refuses what DATABASE_URL says");
    return databaseUnavailable();
  }
  if (isRefusedValue(thrown))
    return new BellhopError("invalid_input", 422, "The input holds a value that cannot be stored.");
  log.error({ error: thrown, ...logFields }, "a request failed unexpectedly");
  return new BellhopError("internal_error", 500, "Something went wrong on our side; the log has more.");
}

/** SQLSTATE class 22: a text or number that no column takes. */
export function isRefusedValue(thrown: unknown): boolean {
  return /^22\w{3}$/.test(String((thrown as { code?: unknown } | null)?.code ?? ""));
}

/** 422, one entry for each refused field, with its dotted path; the first twenty. */
export function toInputError(error: z.ZodError): BellhopError {
  const fields = toFieldErrors(error.issues);
  const detail = fields
    .map(({ field, message }) => (field === "" ? message : `${field}: ${message}`))
    .join("; ");
  return new BellhopError("invalid_input", 422, detail || "The input is not valid.", fields);
}
