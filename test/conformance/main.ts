/** `npm run conformance`: see options.ts for what it takes and answers. */
import { writeFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import { assembleRuns } from "./assemble.ts";
import { Checkout, type TestFile } from "./checkout.ts";
import {
  type Expectations,
  judge,
  readExpectations,
  skipReason,
  updated,
  writeExpectations,
} from "./expectations.ts";
import { HELP, type Options, parseOptions, UsageError } from "./options.ts";
import { type FolderReport, surprises, table } from "./report.ts";
import { type FileReport, type FileResult, foldAnswers, tally } from "./results.ts";
import { nodeTarget, sandboxTarget, type Target } from "./targets.ts";
import { isForOurGlobal } from "./test-file.ts";

/** Files under way at once; each keeps one thread busy. */
const FILES_AT_ONCE = 2;

interface Targets {
  sandbox: Target | undefined;
  node: Target | undefined;
}

interface Chosen {
  run: TestFile[];
  /** Reason → number of files. */
  skipped: Map<string, number>;
}

function choose(files: TestFile[], expectations: Expectations, pattern: RegExp | undefined): Chosen {
  const chosen: Chosen = { run: [], skipped: new Map() };
  for (const file of files) {
    if (pattern && !pattern.test(file.path)) continue;
    const reason = isForOurGlobal(file.meta)
      ? skipReason(expectations, file.path)
      : "For a global scope that is not ours.";
    if (reason === undefined) chosen.run.push(file);
    else chosen.skipped.set(reason, (chosen.skipped.get(reason) ?? 0) + 1);
  }
  return chosen;
}

async function runFile(
  checkout: Checkout,
  file: TestFile,
  targets: Targets,
  expectations: Expectations,
): Promise<FileReport> {
  const report: FileReport = { path: file.path };
  if (targets.sandbox) {
    report.sandbox = await runOn(targets.sandbox, checkout, file);
    const names = report.sandbox.failures.map(({ name }) => name);
    report.judged = judge(expectations, file.path, names);
  }
  if (targets.node) report.node = await runOn(targets.node, checkout, file);
  return report;
}

async function runOn(target: Target, checkout: Checkout, file: TestFile): Promise<FileResult> {
  try {
    const answers = [];
    for (const run of assembleRuns(checkout, file)) answers.push(await target.run(run));
    return foldAnswers(answers);
  } catch (error) {
    return foldAnswers([{ error: messageOf(error) }]);
  }
}

async function runFolder(
  folder: string,
  files: TestFile[],
  run: (file: TestFile) => Promise<FileReport>,
): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  const waiting = files.values();
  const startMs = performance.now();
  const drain = async () => {
    for (const file of waiting) {
      reports.push(await run(file));
      if (process.stderr.isTTY) process.stderr.write(`\r${folder}: ${reports.length}/${files.length} `);
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, drain));
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  console.error(`${process.stderr.isTTY ? "\r" : ""}${folder}: ${files.length} files in ${seconds} s`);
  return reports.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function runAll(options: Options, targets: Targets): Promise<FolderReport[]> {
  const checkout = new Checkout(options.wpt);
  const expectations = readExpectations();
  const folders: FolderReport[] = [];
  for (const folder of options.folders) {
    const { run, skipped } = choose(checkout.list(folder), expectations, options.file);
    if (run.length + skipped.size === 0) continue;
    const reports = await runFolder(folder, run, (file) => runFile(checkout, file, targets, expectations));
    for (const [reason, count] of skipped) console.error(`  ${count} skipped: ${reason}`);
    const skippedCount = [...skipped.values()].reduce((sum, count) => sum + count, 0);
    folders.push({ folder, reports, figures: tally(reports, skippedCount) });
  }
  return folders;
}

/** Writes what was asked for; answers the exit status. */
function conclude(options: Options, folders: readonly FolderReport[]): number {
  console.log(`\n${table(folders)}`);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ folders }, undefined, 1)}\n`);
  if (!options.inSandbox) return 0;
  const surprise = surprises(folders);
  if (options.update) {
    let expectations = readExpectations();
    for (const { path, judged } of folders.flatMap(({ reports }) => reports)) {
      if (judged) expectations = updated(expectations, path, judged);
    }
    writeExpectations(expectations);
  }
  if (surprise === "") return 0;
  console.log(`\nNot as expected:\n${surprise}`);
  return options.update ? 0 : 1;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  const targets: Targets = {
    sandbox: options.inSandbox ? sandboxTarget() : undefined,
    node: options.inNode ? nodeTarget() : undefined,
  };
  try {
    return conclude(options, await runAll(options, targets));
  } finally {
    await targets.sandbox?.close();
    await targets.node?.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
