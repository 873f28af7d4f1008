import { BellhopError } from "../../core/errors.ts";

/** 503: there is too much of this right now; the answer says when to try again. */
export class BusyError extends BellhopError {
  constructor(code: string, message: string, retryAfterSeconds = 5) {
    super(code, 503, message, [], retryAfterSeconds);
  }
}
