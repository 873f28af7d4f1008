import { ProblemError } from "../../client/client.ts";
import { apiUrl } from "./root.ts";

export interface Fault {
  message: string;
  code: string;
  /** Where it is told what to do about it. */
  help?: string | undefined;
  fields: { field: string; message: string; line?: number; column?: number; file?: string }[];
}

/** A code's place on the API's page of errors. */
export const helpWith = (code: string) => `${apiUrl}/docs/errors#${code}`;

/** What went wrong, whatever it is. */
export function toFault(error: unknown): Fault {
  if (error instanceof ProblemError) {
    const { detail, code, errors = [] } = error.problem;
    return { message: detail, code, fields: errors, help: error.help && helpWith(code) };
  }
  const isNetwork = error instanceof TypeError;
  const message = isNetwork
    ? "The API cannot be reached."
    : error instanceof Error
      ? error.message
      : String(error);
  return { message, code: isNetwork ? "unreachable" : "unknown", fields: [] };
}
