import { ProblemError } from "../../client/client.ts";

export interface Fault {
  message: string;
  code: string;
  fields: { field: string; message: string; line?: number; column?: number; file?: string }[];
}

/** What went wrong, whatever it is. */
export function toFault(error: unknown): Fault {
  if (error instanceof ProblemError) {
    const { detail, code, errors = [] } = error.problem;
    return { message: detail, code, fields: errors };
  }
  const isNetwork = error instanceof TypeError;
  const message = isNetwork
    ? "The API cannot be reached."
    : error instanceof Error
      ? error.message
      : String(error);
  return { message, code: isNetwork ? "unreachable" : "unknown", fields: [] };
}
