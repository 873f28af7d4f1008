/** A Bellhop of its own for the time of a command: database, API, scheduler and a worker, on a clock for tests. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Failure, Interrupted } from "../failure.ts";
import type { Cli } from "../session.ts";

export interface LocalInstance {
  url: string;
  key: string;
  /** Signs in to the console, once. */
  signInLink: string;
  /** Resolves, with why, when it has ended. */
  failed: Promise<Failure>;
  stop(): Promise<void>;
}

/** What it says of a start that failed. */
const LAST_LINES = 20;
/** In the line of its greeting that holds the link. */
const SIGN_IN = "/console/sign-in#";

export async function startLocalInstance(cli: Pick<Cli, "env" | "signal">): Promise<LocalInstance> {
  const home = await findProject(cli.env);
  const dataDir = await mkdtemp(join(tmpdir(), "bellhop-dev-"));
  const child = launch(home, dataDir, cli.env);
  const said: string[] = [];
  const link = new Promise<string>((resolve) => {
    for (const input of [child.stdout!, child.stderr!])
      createInterface({ input }).on("line", (line) => {
        said.push(line);
        said.splice(0, said.length - LAST_LINES);
        if (line.includes(SIGN_IN)) resolve(line.trim());
      });
  });
  const exited = new Promise<void>((done) => child.once("close", () => done()).once("error", () => done()));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const [port, signInLink] = await waitForStart(child, link, exited, cli.signal);
    const key = (await readFile(join(dataDir, "api-key"), "utf8")).trim();
    const failed = exited.then(() => failureOf("The local Bellhop has ended.", said));
    return { url: `http://127.0.0.1:${port}`, key, signInLink, failed, stop };
  } catch (error) {
    await stop();
    throw error instanceof Interrupted ? error : failureOf("The local Bellhop did not start.", said);
  }
}

/** The folder of the project: named by BELLHOP_HOME, or the one that this program was built in. */
async function findProject(env: NodeJS.ProcessEnv): Promise<string> {
  const named = env["BELLHOP_HOME"]?.trim();
  const home = named ? resolve(named) : fileURLToPath(new URL("../..", import.meta.url));
  for (const path of ["standalone/main.ts", "node_modules/node/bin/node"]) {
    if (await stat(join(home, path)).catch(() => undefined)) continue;
    throw new Failure(`There is no Bellhop to run in ${home}: ${path} is missing.`, {
      code: "no_project",
      hint: "Functions run in a checkout of Bellhop: set BELLHOP_HOME to it, and run npm start there once.",
    });
  }
  return home;
}

/**
 * Nothing of the environment but where programs and folders are: settings that are meant for others have no say.
 * In a group of its own, as Ctrl-C is this program's to hear; it stops as well when this program is gone.
 */
function launch(
  home: string,
  dataDir: string,
  { PATH, HOME, TMPDIR, LANG, TZ }: NodeJS.ProcessEnv,
): ChildProcess {
  return fork(join(home, "standalone", "main.ts"), ["--clock=virtual", "--temporary"], {
    cwd: home,
    detached: true,
    execPath: join(home, "node_modules", "node", "bin", "node"),
    execArgv: ["--disable-warning=TimeoutNegativeWarning"],
    env: {
      ...{ PATH, HOME, TMPDIR, LANG, TZ },
      // A worker is there before it is needed, and one is enough for one author.
      ...{ PORT: "0", BELLHOP_DATA_DIR: dataDir, WORKERS_MIN: "1", WORKERS_MAX: "1" },
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
}

async function waitForStart(
  child: ChildProcess,
  link: Promise<string>,
  exited: Promise<void>,
  signal: AbortSignal,
): Promise<[port: number, link: string]> {
  const leave = new AbortController();
  try {
    const started = once(child, "message", { signal: AbortSignal.any([signal, leave.signal]) });
    const answer = await Promise.race([Promise.all([started, link]), exited]);
    if (!answer) throw new Error("It has ended.");
    const [[message], signInLink] = answer;
    return [(message as { port: number }).port, signInLink];
  } catch (error) {
    throw signal.aborted ? new Interrupted() : error;
  } finally {
    leave.abort();
  }
}

const failureOf = (message: string, said: readonly string[]) =>
  new Failure(message, { code: "local_instance", details: said.slice(-LAST_LINES) });
