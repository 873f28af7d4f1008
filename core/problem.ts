/** Every error leaves as a problem document (RFC 9457): `type`, `title`, `status`, `detail`, a stable `code`, `errors` by field, the `runId` of a failed call. */
import { STATUS_CODES } from "node:http";
import type { Problem } from "./contracts/problem.ts";
import type { BellhopError } from "./errors.ts";

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

export function toProblem({ code, status, message, fields, runId }: BellhopError): Problem {
  return {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail: message,
    code,
    ...(fields.length > 0 ? { errors: fields } : {}),
    ...(runId === undefined ? {} : { runId }),
  };
}

/** The document's JSON. */
export function toProblemText(error: BellhopError): string {
  return JSON.stringify(toProblem(error));
}
