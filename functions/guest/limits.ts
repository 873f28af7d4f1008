/** What one run may use of what the isolate's walls do not count. Held by the prelude, checked again outside. */
export const GUEST_LIMITS = {
  logLines: 1_000,
  /** Message and fields of one line together. */
  logLineBytes: 8_192,
  resultBytes: 1_000_000,
  errorChars: 8_192,
  /** Active at once. */
  timers: 1_000,
} as const;

export type GuestLimits = typeof GUEST_LIMITS;

/** The name of the prelude's script in stacks; frames of it are not the author's. */
export const PRELUDE_FILENAME = "bellhop:prelude";
/** The name of the author's script in stacks. */
export const FUNCTION_FILENAME = "function.js";
