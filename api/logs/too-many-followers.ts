import { BellhopError, type FieldError } from "../../core/errors.ts";

/** Who is refused is told when to try again: nobody knows when another leaves. */
const RETRY_AFTER_SECONDS = 10;

/** 429. */
export const tooManyFollowers = (message: string, fields: FieldError[] = []): BellhopError =>
  new BellhopError("too_many_followers", 429, message, fields, RETRY_AFTER_SECONDS);
