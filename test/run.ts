/**
 * What `npm test` runs: starts the servers the tests need, runs the tests under node's own runner, stops everything.
 * States: preparing → testing (the runner's output is the terminal's) → clearing. A signal while preparing clears at
 * once; while testing it goes to the runner, whose end is awaited; a second one kills the runner,
 * or leaves at once: what was started ends with this process by its guard (support/process-guard.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { constants } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../core/errors.ts";
import { findKafkaSupport } from "./kafka/broker.ts";
import type { FileRun } from "./run-files.ts";
import { LOAD_PACKAGES } from "./support/bundled.ts";
import { provideBundles } from "./support/bundles.ts";
import { COMPILE_CACHE } from "./support/compile-cache.ts";
import { orderFiles } from "./support/file-order.ts";
import { guardProcess } from "./support/process-guard.ts";
import { type CopyBy, createTemplate, dropDatabase } from "./support/server-databases.ts";
import { findQuickFolder, startTestKafka, startTestPostgres, type TestServer } from "./support/servers.ts";
import { provideChromium } from "./tools/chromium.ts";
import { provideKustomize } from "./tools/kustomize.ts";

const ROOT = join(import.meta.dirname, "..");
const FOLDERS = "{api,cli,console,core,functions,runtime,scheduler,standalone,test}";
/** More than the two cores of a usual machine: many tests of whole systems wait most of their time. */
const FILES_AT_ONCE = 4;
/** Ends what hangs; a machine that is several times as slow as usual is not to reach it. */
const TEST_TIMEOUT_MS = 600_000;

const HELP = `npm test -- [options] [files or parts of their paths …]

Runs the tests (*.test.ts) on a PostgreSQL of their own and, where there is one, a real Kafka broker.

  --unit          only the tests that stand beside the code, without Kafka
  --bundled       roles start from bundles of their sources, and test files load Kysely as one module, as they do where
                  all tests run, without --name: it takes less processor time, and traces of roles lead into
                  .cache/bundles
  --name REGEX    only tests whose name matches
  --strict        fail when cases cannot run for want of a tool (Kafka: java and mvn; manifests: kustomize or go;
                  Compose: go; containers: those and root on Linux; monitoring: prometheus or apt-get; poolers:
                  pgbouncer or apt-get; command line: script of util-linux and bash; browsers: chromium or apt-get),
                  instead of skipping them; zsh, fish and a Node 20 on the PATH are used where they are installed
  --seed N        properties draw other cases; random: of a seed that is printed where one breaks
  --cases N       properties try as many cases as this, however long it takes
  --help          this text

  KAFKA_BROKERS          a broker to use; without it one is started, which needs java and mvn
  TEST_DATABASE_URL      a PostgreSQL to use, of a role that may create databases; without it one is started, with its
                         files in memory where /dev/shm has 2 GiB and 6 GiB of memory are free
  BELLHOP_TEST_MEMORY=0  keeps them on the disk anyway
  BELLHOP_TEST_STRICT=1  the same as --strict

npm test -- claim          the files with "claim" in their path
npm test -- core/domain    the files of a folder
npm test -- schedule-property --seed random --cases 1000`;

interface Command {
  files: string[];
  isBundled: boolean;
  name?: string;
  strict: boolean;
  unit: boolean;
  /** Of properties (support/properties.ts). */
  draws: { BELLHOP_TEST_SEED?: string; BELLHOP_TEST_CASES?: string };
}

/** A mistake of the caller's: one sentence, status 2. */
class UsageError extends Error {}

function parseCommand(args: string[]): Command | "help" {
  const { values, positionals } = parseOptions(args);
  if (values.help) return "help";
  const all = globSync(
    values.unit ? `${FOLDERS.replace(",test", "")}/**/*.test.ts` : `${FOLDERS}/**/*.test.ts`,
    {
      cwd: ROOT,
      exclude: ["**/node_modules/**"],
    },
  ).sort();
  return {
    files: selectFiles(all, positionals),
    isBundled: values.bundled || (positionals.length === 0 && !values.unit && values.name === undefined),
    ...(values.name !== undefined && { name: values.name }),
    strict: values.strict || process.env["BELLHOP_TEST_STRICT"] === "1",
    unit: values.unit,
    draws: readDraws(values),
  };
}

function readDraws({ seed, cases }: { seed?: string; cases?: string }): Command["draws"] {
  if (seed !== undefined && !/^(random|-?\d+)$/.test(seed))
    throw new UsageError("--seed is a whole number, or random.");
  if (cases !== undefined && !/^[1-9]\d*$/.test(cases)) throw new UsageError("--cases is a whole number.");
  return {
    ...(seed !== undefined && { BELLHOP_TEST_SEED: seed }),
    ...(cases !== undefined && { BELLHOP_TEST_CASES: cases }),
  };
}

function parseOptions(args: string[]) {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        strict: flag,
        unit: flag,
        bundled: flag,
        name: { type: "string" },
        seed: { type: "string" },
        cases: { type: "string" },
        help: { ...flag, short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\nnpm test -- --help tells the options.`);
  }
}

/** Each word is a file or a part of a path; one that matches nothing is a mistake, not an empty success. */
function selectFiles(all: string[], words: string[]): string[] {
  if (words.length === 0) return all;
  const chosen = new Set<string>();
  for (const word of words) {
    const asFile = relative(ROOT, resolve(word));
    const matching =
      all.includes(asFile) && existsSync(word) ? [asFile] : all.filter((file) => file.includes(word));
    if (matching.length === 0) throw new UsageError(`No test file has ${JSON.stringify(word)} in its path.`);
    for (const file of matching) chosen.add(file);
  }
  return [...chosen].sort();
}

interface KafkaAnswer {
  env: { TEST_KAFKA_BROKERS: string } | { TEST_KAFKA_SKIP: string };
  server?: TestServer;
}

async function provideKafka({ strict, unit }: Command): Promise<KafkaAnswer> {
  const given = process.env["KAFKA_BROKERS"];
  if (given) return { env: { TEST_KAFKA_BROKERS: given } };
  if (unit) return { env: { TEST_KAFKA_SKIP: "--unit runs without Kafka" } };
  let reason = findKafkaSupport();
  try {
    if (!reason) {
      const server = await startTestKafka();
      return { env: { TEST_KAFKA_BROKERS: server.address }, server };
    }
  } catch (error) {
    reason = messageOf(error);
    if (!strict) reason = reason.split("\n")[0]!;
  }
  if (strict) throw new Error(`The Kafka cases cannot run, and --strict asks for them: ${reason}.`);
  console.log(
    `The Kafka cases are skipped: ${reason}. Set KAFKA_BROKERS to run them on a broker of your own.`,
  );
  return { env: { TEST_KAFKA_SKIP: reason } };
}

/** The runner's own status; 128 + n when signal n ended it. */
async function runNode(
  command: Command,
  env: NodeJS.ProcessEnv,
  onStart: (child: ChildProcess) => void,
): Promise<number> {
  const run: FileRun = {
    files: orderFiles(command.files),
    concurrency: FILES_AT_ONCE,
    // As many cases as somebody asked for take as long as they take.
    ...(command.draws.BELLHOP_TEST_CASES === undefined && { timeout: TEST_TIMEOUT_MS }),
    ...(command.name !== undefined && { testNamePatterns: [command.name] }),
    execArgv: env["TEST_BUNDLES"] === undefined ? [] : [LOAD_PACKAGES],
  };
  const args = ["--disable-warning=TimeoutNegativeWarning", "test/run-files.ts", JSON.stringify(run)];
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: "inherit" });
  const guard = guardProcess(child.pid!, { signal: "SIGTERM" });
  onStart(child);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  guard.release();
  return code ?? 128 + constants.signals[signal!];
}

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  if (command === "help") {
    console.log(HELP);
    return 0;
  }
  // Tools that tests look for themselves heed it too.
  if (command.strict) process.env["BELLHOP_TEST_STRICT"] = "1";
  const servers = new Set<Pick<TestServer, "stop">>();
  const interrupt = new AbortController();
  let runner: ChildProcess | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (interrupt.signal.aborted && !runner) process.exit(128 + constants.signals[signal]);
      runner?.kill(interrupt.signal.aborted ? "SIGKILL" : signal);
      interrupt.abort(signal);
    });
  }
  try {
    const [postgres, kafka, bundles, kustomize] = await Promise.allSettled([
      provideDatabase(interrupt.signal),
      provideKafka(command),
      // Whoever tries a few files reads their traces: they and the roles run from the sources.
      command.isBundled ? provideBundles(command.strict) : {},
      prepareKustomize(command),
      prepareChromium(command),
    ]);
    if (postgres.status === "fulfilled") servers.add(postgres.value);
    if (kafka.status === "fulfilled" && kafka.value.server) servers.add(kafka.value.server);
    if (interrupt.signal.aborted) return 128 + constants.signals[interrupt.signal.reason as NodeJS.Signals];
    if (postgres.status === "rejected") throw postgres.reason;
    if (kafka.status === "rejected") throw kafka.reason;
    if (bundles.status === "rejected") throw bundles.reason;
    if (kustomize.status === "rejected") throw kustomize.reason;
    // What is set for the product must not leak into the tests.
    const { KAFKA_BROKERS: _brokers, DATABASE_URL: _url, ...outer } = process.env;
    const env = {
      ...{ ...outer, ...COMPILE_CACHE, ...command.draws },
      ...{ ...postgres.value.env, ...kafka.value.env, ...bundles.value },
    };
    return await runNode(command, env, (child) => {
      runner = child;
    });
  } finally {
    await Promise.all([...servers].map((server) => server.stop()));
  }
}

/** Builds it before the tests, where several files would build it at once. */
async function prepareKustomize({ files }: Command): Promise<void> {
  if (!files.some((file) => file.startsWith("test/manifests/"))) return;
  const kustomize = await provideKustomize();
  if ("skip" in kustomize) console.log(`The cases of the manifests are skipped: ${kustomize.skip}.`);
}

/** Installs it before the tests, where several files would do so at once. */
async function prepareChromium({ files }: Command): Promise<void> {
  if (!files.some((file) => file.startsWith("test/console/") || file === "api/docs/browser.test.ts")) return;
  const chromium = await provideChromium();
  if (typeof chromium !== "string") console.log(`The cases in a browser are skipped: ${chromium.skip}.`);
}

interface DatabaseAnswer {
  env: { TEST_DATABASE_URL: string; TEST_DATABASE_TEMPLATE: string; TEST_DATABASE_COPY: CopyBy };
  stop(): Promise<void>;
}

async function startOwnServer(signal: AbortSignal): Promise<TestServer> {
  const folder = await findQuickFolder();
  console.log(`The database server's files are in ${folder}.`);
  return await startTestPostgres(signal, {}, folder);
}

async function provideDatabase(signal: AbortSignal): Promise<DatabaseAnswer> {
  const server = process.env["TEST_DATABASE_URL"] ? undefined : await startOwnServer(signal);
  const url = server?.address ?? process.env["TEST_DATABASE_URL"]!;
  try {
    const template = await createTemplate(url);
    return {
      env: {
        TEST_DATABASE_URL: url,
        TEST_DATABASE_TEMPLATE: template,
        TEST_DATABASE_COPY: server ? "files" : "log",
      },
      // It ends with a server of our own.
      stop: () => server?.stop() ?? dropDatabase(url, template),
    };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
