import type { Sandbox } from "./invocation.ts";
import { ExecutorPool } from "./parent/executor-pool.ts";
import { DEFAULT_SANDBOX_SETTINGS, type SandboxParts, type SandboxSettings } from "./settings.ts";

export type { Invocation, InvokeOptions, LogLine, Sandbox } from "./invocation.ts";
export type { SandboxLogger, SandboxParts, SandboxSettings } from "./settings.ts";

/** Runs functions in isolates of child processes, one process for each namespace; the first starts at once. */
export function createSandbox(options: Partial<SandboxSettings> & SandboxParts = {}): Sandbox {
  const { logger, egress, metrics, walls, ...settings } = options;
  const parts = {
    ...(logger ? { logger } : {}),
    ...(egress ? { egress } : {}),
    ...(metrics ? { metrics } : {}),
    ...(walls ? { walls } : {}),
  };
  return new ExecutorPool({ ...DEFAULT_SANDBOX_SETTINGS, ...settings }, parts);
}
