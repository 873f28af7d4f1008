/** What one run may use of what the isolate's walls do not count, beside what its function's own limits say. */
export const GUEST_LIMITS = {
  /** Message and fields of one line together. */
  logLineBytes: 8_192,
  /** Of all lines of one run together: a worker holds them until the run is recorded. */
  runLogBytes: 1_000_000,
  /** Of an error's message and of its stack. */
  errorChars: 8_192,
  /** Of what an error was caused by: how many are told, and the characters of each one's message and stack. */
  causes: 8,
  causeChars: 2_000,
  /** The longest wait that a function may ask for before it is tried again: a week. */
  retryAfterMs: 7 * 86_400_000,
  /** Active at once. */
  timers: 1_000,
} as const;

/** The name of the guest's own script in stacks; frames of it are not the author's. */
export const GUEST_FILENAME = "bellhop:guest";
/** The name of the author's script in stacks. */
export const FUNCTION_FILENAME = "function.js";
/** The source in its map that is no author's: what hands over the module of an upload that awaits at its top. */
export const AWAITING_ENTRY = "entry";
/** Where the snapshot keeps the way in until a context was booted. */
export const BOOT_NAME = "bellhopBoot";
