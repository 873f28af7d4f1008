/** The operator's caps on what authors may ask for their functions. */
import type { FunctionLimitCaps } from "../domain/function-limits.ts";
import type { SettingName, Settings } from "./settings.ts";

export const FUNCTION_CAP_SETTINGS = [
  "FUNCTION_MAX_MEMORY_MB",
  "FUNCTION_MAX_CPU",
  "FUNCTION_MAX_WALL",
  "FUNCTION_MAX_CONCURRENCY",
  "FUNCTION_MAX_LOG_LINES",
  "FUNCTION_MAX_RESULT_BYTES",
  "FUNCTION_MAX_SUBREQUESTS",
] as const satisfies SettingName[];

export function toFunctionCaps(
  settings: Pick<Settings, (typeof FUNCTION_CAP_SETTINGS)[number]>,
): FunctionLimitCaps {
  return {
    memoryMb: settings.FUNCTION_MAX_MEMORY_MB,
    cpuMs: settings.FUNCTION_MAX_CPU,
    wallMs: settings.FUNCTION_MAX_WALL,
    concurrency: settings.FUNCTION_MAX_CONCURRENCY,
    logLines: settings.FUNCTION_MAX_LOG_LINES,
    resultBytes: settings.FUNCTION_MAX_RESULT_BYTES,
    subrequests: settings.FUNCTION_MAX_SUBREQUESTS,
  };
}
