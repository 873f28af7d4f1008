/** The process of the targets, as the harness sees it. */
import { type RunningProcess, startProcess } from "../../support/processes.ts";

export interface Sinks {
  httpUrl: string;
  mailUrl: string;
  /** What was recorded is on disk once it resolves. */
  stop(): Promise<void>;
}

export async function startSinks(recordFile: string): Promise<Sinks> {
  const sinks: RunningProcess = startProcess("test/torture/sinks/main.ts", { args: [recordFile] });
  const { httpPort, mailPort } = JSON.parse(await sinks.waitForLine(/httpPort/)) as Record<string, number>;
  return {
    httpUrl: `http://127.0.0.1:${httpPort}`,
    mailUrl: `smtp://127.0.0.1:${mailPort}`,
    stop: () => sinks.stop(),
  };
}
