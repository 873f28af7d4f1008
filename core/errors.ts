/**
 * The errors Bellhop tells people about. `code` is stable and machine-readable, `status` the HTTP status that
 * says whose fault it was, `fields` names the parts of the input that were refused.
 */
export interface FieldError {
  /** Dotted path into the input: `schedule.cron`, `headers.x-token`. */
  field: string;
  message: string;
  /** Where in an uploaded source; `line` and `column` count from 1. */
  file?: string;
  line?: number;
  column?: number;
}

export class BellhopError extends Error {
  readonly code: string;
  readonly status: number;
  readonly fields: FieldError[];
  /** Where it passes by itself: when to try again. */
  readonly retryAfterSeconds: number | undefined;
  /** The run that failed, where it is one. */
  runId: string | undefined;

  constructor(
    code: string,
    status: number,
    message: string,
    fields: FieldError[] = [],
    retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = "BellhopError";
    this.code = code;
    this.status = status;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const DATABASE_RETRY_SECONDS = 2;

/** 503: nothing is wrong with what was asked. */
export function databaseUnavailable(): BellhopError {
  const message = "The database does not respond right now; try again.";
  return new BellhopError("database_unavailable", 503, message, [], DATABASE_RETRY_SECONDS);
}

/** 422: the input was understood and refused; names the field. */
export function invalidField(field: string, message: string, code = "invalid_input"): BellhopError {
  return new BellhopError(code, 422, `${field}: ${message}`, [{ field, message }]);
}

/** 404: no such thing in the caller's namespace. */
export function notFound(what: string, id: string): BellhopError {
  return new BellhopError("not_found", 404, `There is no ${what} ${JSON.stringify(id)} in this namespace.`);
}

/** 409: the thing is in a state that forbids the change. */
export function conflict(message: string, code = "conflict"): BellhopError {
  return new BellhopError(code, 409, message);
}

/** A role that was told to stop before it had started. */
export class StartStopped extends Error {
  constructor() {
    super("stopped before it had started");
  }
}

/** The message of anything thrown, never its stack. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return messageOf(thrown.errors[0]);
  return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
}
