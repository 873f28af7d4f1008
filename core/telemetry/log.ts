import { pino } from "pino";

export type Logger = Pick<pino.Logger, "debug" | "info" | "warn" | "error">;

/** JSON lines on stdout. Values under these names never reach a line. */
export function createLogger(role: string, level: string): Logger {
  return pino({
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ["password", "authorization", "*.password", "*.authorization", "*.headers"],
      censor: "[redacted]",
    },
    serializers: { error: describeError },
  });
}

/** Code, message and own stack; never the SQL parameters or other fields an error may carry. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  return { name, message, code: (error as { code?: unknown }).code, stack };
}
