/** `dev`: a function on this machine, in the real sandbox, deployed and run again whenever it is saved. */
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, collect, withOutput } from "../command.ts";
import { DevLoop } from "../dev/dev-loop.ts";
import { type LocalInstance, startLocalInstance } from "../dev/local-instance.ts";
import { requireCron } from "../dev/require-cron.ts";
import type { DevSchedule } from "../dev/schedule.ts";
import { watchFolders } from "../dev/watch-folders.ts";
import { Interrupted, usageFailure } from "../failure.ts";
import { findFunctionUrl } from "../function-url.ts";
import { readJsonInput } from "../json-input.ts";
import { type Cli, openSession, type Session } from "../session.ts";
import { listenForKeys } from "../terminal/keys.ts";
import type { Output } from "../terminal/output.ts";
import { nameOf, toDeployOptions } from "./deploy.ts";

interface Options {
  name?: string;
  input?: string;
  cron?: string;
  timezone?: string;
  at?: string;
  env?: string[];
  secret?: string[];
  limit?: string[];
}

export function addDev(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("dev <path>")
      .description("run a function on this machine, and again on every save; Enter runs it, q quits")
      .option("--name <function>", "its name; default: that of the file or the folder")
      .option("--input <json>", "call it with this after each save, as JSON, @file or -")
      .option("--cron <expression>", "fire its schedule after each save, instant by instant")
      .option("--timezone <zone>", "of the schedule, such as Europe/Rome")
      .option("--at <instant>", "when the clock begins: the schedule fires from there on")
      .option("--env <NAME=value>", "a setting for ctx.env, may be repeated", collect)
      .option("--secret <NAME>", "a secret, whose value is in the environment; may be repeated", collect)
      .option("--limit <name=number>", "such as memoryMb=256, may be repeated", collect)
      .action(withOutput<Options>(cli, (out, args, options) => dev(cli, out, args, options))),
    "dev hello.ts",
    'dev hello.ts --input \'{"name": "Ada"}\'',
    'dev report.ts --cron "30 2 * * *" --timezone Europe/Rome --at 2027-03-27T00:00:00Z',
  );
}

async function dev(cli: Cli, out: Output, [given]: Arguments, options: Options): Promise<void> {
  const path = resolve(cli.cwd, given!);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw usageFailure(`There is no file or folder ${given}.`);
  const schedule = readSchedule(options);
  if (schedule) await requireCron(schedule.cron, schedule.at ?? new Date(cli.now()));
  const secrets = readSecrets(cli, options.secret ?? []);
  const input = options.input === undefined ? undefined : await readJsonInput(cli, options.input, "input");
  const name = options.name ?? nameOf(path);
  const deploy = toDeployOptions({ ...options, reuse: true, public: true });
  out.note(out.noteStyle.dim("Starting a Bellhop of its own …"));
  const instance = await startLocalInstance(cli);
  try {
    const end = new AbortController();
    const signal = AbortSignal.any([cli.signal, end.signal]);
    const target = { url: instance.url, key: instance.key, namespace: undefined, profile: undefined };
    const session = openSession({ ...cli, signal }, target, out);
    for (const [secret, value] of secrets)
      await unwrap(
        session.client.PUT("/v1/secrets/{secret}", { params: { path: { secret } }, body: { value } }),
      );
    await greet(session, instance, name);
    const loop = new DevLoop(session, { path, name, deploy, input, schedule });
    await watchAndRun(loop, session, found.isFile() ? dirname(path) : path, instance, end);
  } finally {
    out.note(out.noteStyle.dim("Stopping it …"));
    await instance.stop();
  }
}

async function watchAndRun(
  loop: DevLoop,
  { asking, signal }: Session,
  folder: string,
  instance: LocalInstance,
  end: AbortController,
): Promise<void> {
  const watching = await watchFolders(folder, () => loop.wish("deploy"));
  const keys = listenForKeys(asking.stdin, (key) => {
    if (key === "q" || key === "Q") end.abort();
    else if (key === "\r" || key === "\n") loop.wish("run");
  });
  try {
    const failed = instance.failed.then((failure) => {
      throw failure;
    });
    await Promise.race([loop.run(), failed]);
  } catch (error) {
    // `q` is an end as good as any.
    if (!(error instanceof Interrupted && end.signal.aborted) && !signal.aborted) throw error;
  } finally {
    keys.close();
    watching.close();
  }
}

async function greet(session: Session, { signInLink, url }: LocalInstance, name: string): Promise<void> {
  const { out, asking } = session;
  const address = await findFunctionUrl(session, name);
  out.item({ ready: { url, function: address, console: signInLink } }, () =>
    out.facts([
      ["url", address],
      ["console", signInLink],
    ]),
  );
  if (asking.stdin.isTTY) out.note(out.noteStyle.dim("Save to run it again. Enter runs it, q quits."));
}

function readSchedule({ cron, timezone, at }: Options): DevSchedule | undefined {
  if (cron === undefined) {
    if (timezone === undefined && at === undefined) return undefined;
    throw usageFailure(`${at === undefined ? "--timezone" : "--at"} goes with --cron.`);
  }
  if (at === undefined) return { cron, timezone };
  const ms = Date.parse(at);
  if (Number.isNaN(ms))
    throw usageFailure(`--at takes an instant such as 2027-03-27T00:00:00Z, not ${JSON.stringify(at)}.`);
  return { cron, timezone, at: new Date(ms) };
}

/** Their values are no arguments: others see those. */
function readSecrets({ env }: Cli, names: readonly string[]): [name: string, value: string][] {
  return names.map((name) => {
    const value = env[name];
    if (!value)
      throw usageFailure(`--secret ${name}: the environment has no ${name}.`, `${name}=… bellhop dev …`);
    return [name, value];
  });
}
