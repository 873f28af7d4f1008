/**
 * Node's runner over files in the order they are given; `node --test` sorts them. As there, the status is 1 where a test
 * fails; at a signal the files that run are named and ended, and those that did not run count as cancelled.
 */
import { relative } from "node:path";
import { run } from "node:test";
import { spec, type TestEvent } from "node:test/reporters";

export interface FileRun {
  files: string[];
  concurrency: number;
  timeout?: number;
  testNamePatterns?: string[];
  /** Of each file's process. */
  execArgv: string[];
}

const options: FileRun = JSON.parse(process.argv[2]!);
const interrupt = new AbortController();
const events = run({ ...options, signal: interrupt.signal });

/** Files that run, and what is under way at the top of them. */
const running = new Set<string>();
type Named = { name: string; file?: string; nesting: number };
const describe = ({ name, file }: Named) =>
  file === undefined || options.files.includes(name) ? name : `${relative("", file)}: ${name}`;
events.on("test:dequeue", (test) => {
  if (test.nesting === 0) running.add(describe(test));
});
events.on("test:complete", (test) => {
  if (test.nesting === 0) running.delete(describe(test));
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) return;
    console.log(`\nInterrupted while running:\n${[...running].map((name) => `⚠ ${name}\n`).join("")}`);
    interrupt.abort();
  });
}
events.on("test:summary", ({ success }) => {
  if (!success) process.exitCode = 1;
});

/** Hundreds of files that the interrupt ended or kept from their start would hide what failed before; they are counted. */
async function* leaveOutInterrupted(all: AsyncIterable<TestEvent>) {
  for await (const event of all) {
    const isFile = event.type === "test:fail" && options.files.includes(event.data.name);
    if (!isFile || !interrupt.signal.aborted) yield event;
  }
}
const report = events.compose(leaveOutInterrupted).pipe(new spec());
// A file that does not heed its signal is not waited for.
report.on("end", () => {
  if (interrupt.signal.aborted) process.exit();
});
report.pipe(process.stdout);
