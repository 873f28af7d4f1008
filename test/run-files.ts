/**
 * Node's runner over files in the order they are given; `node --test` sorts them. As there, the status is 1 where a test
 * fails, and a signal ends the files that run, and what did not run counts as cancelled.
 */
import { run } from "node:test";
import { spec } from "node:test/reporters";

export interface FileRun {
  files: string[];
  concurrency: number;
  timeout?: number;
  testNamePatterns?: string[];
  /** Of each file's process. */
  execArgv: string[];
}

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt.abort());
const options: FileRun = JSON.parse(process.argv[2]!);
const events = run({ ...options, signal: interrupt.signal });
events.on("test:summary", ({ success }) => {
  if (!success) process.exitCode = 1;
});
const report = events.compose(spec);
// A file that does not heed its signal is not waited for.
report.on("end", () => {
  if (interrupt.signal.aborted) process.exit();
});
report.pipe(process.stdout);
