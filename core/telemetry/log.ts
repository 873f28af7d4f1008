import { pino } from "pino";
import { renderFailedRun, takesColour } from "./failed-run.ts";

export type Logger = Pick<pino.Logger, "debug" | "info" | "warn" | "error">;

/** How a run that failed is told: like everything else, or as text for who watches a console. */
export type FailureFormat = "json" | "text";

/** JSON lines on stdout. Values under these names never reach a line. */
export function createLogger(role: string, level: string, failedRuns: FailureFormat = "json"): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ["password", "authorization", "*.password", "*.authorization", "*.headers"],
      censor: "[redacted]",
    },
    serializers: { error: describeError },
  };
  return failedRuns === "json" ? pino(options) : pino(options, withFailuresAsText());
}

function withFailuresAsText(): pino.DestinationStream {
  const stdout = pino.destination(1);
  const hasColour = takesColour(process.stdout, process.env);
  return { write: (line) => void stdout.write(renderFailedRun(line, hasColour) ?? line) };
}

/** Code, message and own stack; never the SQL parameters or other fields an error may carry. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  return { name, message, code: (error as { code?: unknown }).code, stack };
}
