import { ExecutorPool } from "./executor-pool.ts";
import type { Sandbox } from "./invocation.ts";
import { DEFAULT_SANDBOX_SETTINGS, type SandboxLogger, type SandboxSettings } from "./settings.ts";

export type { Invocation, InvokeOptions, LogLevel, LogLine, Sandbox } from "./invocation.ts";
export type { SandboxLogger, SandboxSettings } from "./settings.ts";

/** Runs functions in isolates of child processes, one process for each namespace; the first starts at once. */
export function createSandbox(settings: Partial<SandboxSettings> & { logger?: SandboxLogger } = {}): Sandbox {
  const { logger, ...given } = settings;
  return new ExecutorPool({ ...DEFAULT_SANDBOX_SETTINGS, ...given }, logger);
}
