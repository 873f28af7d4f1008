/** `npm run fuzz`: requests made from the API's own document, against the real roles. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { startTestPostgres } from "../support/servers.ts";
import { startCluster } from "../system/cluster.ts";
import { provideSchemathesis } from "../tools/schemathesis.ts";
import { judge, type Report } from "./judge.ts";
import { makeThings } from "./make-things.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const MAX_MINUTES = 600;

const HELP = `npm run fuzz -- [options]

Starts an API, a scheduler and a worker on a PostgreSQL of their own, and sends every operation of /openapi.json requests
that schemathesis makes of it, valid ones and others. No answer may be a 5xx, nor have a status, a content type, a
header or a body that the document does not say. Ends with a count; the status is 1 where one did, with its request as a
curl, or where an operation was not reached.

  --seed N        the requests are those of this seed (default: one by chance, which is printed)
  --minutes M     how long requests are sent (default: 1)
  --operation ID  this operation alone
  --help          this text

Needs python3 with venv and pip; schemathesis is installed into .cache/tools.

  TEST_DATABASE_URL   a PostgreSQL to use, of a role that may create databases; without it one is started`;

interface Command {
  seed: number;
  seconds: number;
  operation: string | undefined;
}

function parseCommand(args: string[]): Command | "help" {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string" },
      minutes: { type: "string", default: "1" },
      operation: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= MAX_MINUTES))
    throw new Error(`--minutes is a number above 0, at most ${MAX_MINUTES}.`);
  if (values.seed !== undefined && !/^\d{1,9}$/.test(values.seed))
    throw new Error("--seed is a whole number of at most nine digits.");
  return {
    seed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seconds: Math.ceil(minutes * 60),
    operation: values.operation,
  };
}

async function run(command: Command): Promise<number> {
  const program = await provideSchemathesis();
  const server = process.env["TEST_DATABASE_URL"] ? undefined : await startTestPostgres();
  if (server) process.env["TEST_DATABASE_URL"] = server.address;
  const sink = await createHttpSink();
  const folder = await mkdtemp(join(tmpdir(), "bellhop-fuzz-"));
  try {
    const cluster = await startCluster({
      schedulers: 1,
      workers: 1,
      env: { EMAIL_CAPTURE: "true", BELLHOP_SECRETS_KEY: randomBytes(32).toString("base64") },
    });
    try {
      const things = await makeThings(cluster.api);
      const report = join(folder, "report.json");
      await fuzz(program, command, {
        ...{ url: cluster.api.url, key: cluster.api.key, report },
        known: { sink: sink.url, things },
      });
      const { lines, failed } = judge(
        JSON.parse(await readFile(report, "utf8")) as Report,
        [cluster.apiProcess, ...cluster.schedulers, ...cluster.workers].flatMap(({ logs }) => logs),
      );
      console.log(lines.join("\n"));
      if (failed) console.log(`Again: npm run fuzz -- --seed ${command.seed}`);
      return failed ? 1 : 0;
    } finally {
      await cluster.stop();
    }
  } finally {
    await sink.close();
    await rm(folder, { recursive: true, force: true });
    await server?.stop();
  }
}

interface Fuzzed {
  url: string;
  key: string;
  /** Where its verdict is written. */
  report: string;
  known: object;
}

/** What it finds goes to the terminal, each with a curl. */
async function fuzz(program: string, command: Command, { url, key, report, known }: Fuzzed): Promise<void> {
  const { seed, seconds, operation } = command;
  const args = [
    ...["--config-file", "test/fuzz/schemathesis.toml"],
    ...["run", `${url}/openapi.json`, "--header", `Authorization: Bearer ${key}`],
    ...["--seed", String(seed), "--max-time", String(seconds), "--report-json-path", report],
    ...(operation === undefined ? [] : ["--include-operation-id", operation]),
  ];
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, BELLHOP_FUZZ_KNOWN: JSON.stringify(known) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  await once(child, "close");
}

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  if (command !== "help") return await run(command);
  console.log(HELP);
  return 0;
}

// The support of tests that is used here would print a report of its own at a plain end.
try {
  process.exit(await main());
} catch (error) {
  console.error(messageOf(error));
  process.exit(2);
}
