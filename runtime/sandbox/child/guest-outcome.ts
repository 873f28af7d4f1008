import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import { LIMIT_MESSAGES } from "../protocol/limit-messages.ts";
import type { FailureCode } from "../protocol/messages.ts";

/** How a run ended inside; `code` "ok" carries the result in `text`. */
export interface GuestOutcome {
  code: FailureCode | "ok";
  /** The result's JSON; for `function_error` the JSON of a ThrownInFull; else a message. */
  text: string;
  droppedLines: number;
  /** Whether this process should take no more work. */
  recycle: boolean;
  /** Whether the run needed more than one entry. */
  waited?: boolean;
  /** How long the batch has been on a thread. */
  ranMs?: number;
  /** What the isolate holds after it. */
  heldBytes?: number;
}

export type GuestStopReason = "function_timeout" | "function_cpu_exceeded" | "cancelled";

export function outcome(code: GuestOutcome["code"], text: string, droppedLines = 0): GuestOutcome {
  return { code, text, droppedLines, recycle: false };
}

/** As the guest says that its run ended. */
export function settledOutcome(
  code: string,
  text: string,
  droppedLines: number,
  limits: { memoryMb: number },
): GuestOutcome {
  if (code === "load_failed") return outcome("function_error", text, droppedLines);
  // Its buffers passed the limit: what it holds goes with its isolate, and V8 itself is well.
  if (code === "function_memory_exceeded") return outcome(code, LIMIT_MESSAGES.memory(limits), droppedLines);
  return outcome(code as GuestOutcome["code"], text, droppedLines);
}

export function stopped(reason: GuestStopReason, limits: { wallMs: number; cpuMs: number }): GuestOutcome {
  const texts: Record<GuestStopReason, string> = {
    function_timeout: LIMIT_MESSAGES.wall(limits),
    function_cpu_exceeded: LIMIT_MESSAGES.cpu(limits),
    cancelled: "The run was cancelled.",
  };
  return { ...outcome(reason, texts[reason]), recycle: reason !== "cancelled" };
}

export function memoryExceeded(memoryMb: number): GuestOutcome {
  return { ...outcome("function_memory_exceeded", LIMIT_MESSAGES.memory({ memoryMb })), recycle: true };
}

export function brokeDown(): GuestOutcome {
  return { ...outcome("executor_fault", "The isolate of this run broke down."), recycle: true };
}

/** Where isolated-vm saw an error, when that is not in the author's script. */
const OWN_PLACE = / \[<isolated-vm>:\d+:\d+\]$/;

/** What isolated-vm says where an object was thrown that is no Error. */
const NO_ERROR = /^An object was thrown from supplied code within isolated-vm/;

/** An error as isolated-vm rebuilt it on this side: plain data, bounded. */
export function describeHost(thrown: unknown): { name: string; message: string; stack: string } {
  if (!(thrown instanceof Error)) return { name: "Error", message: clip(String(thrown)), stack: "" };
  if (NO_ERROR.test(thrown.message))
    return { name: "Error", message: "an object that is not an Error", stack: "" };
  const message = clip(thrown.message.replace(OWN_PLACE, ""));
  return { name: clip(thrown.name), message, stack: clip(thrown.stack ?? "") };
}

function clip(text: string): string {
  return text.slice(0, GUEST_LIMITS.errorChars);
}
