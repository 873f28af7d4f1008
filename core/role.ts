/**
 * How every role's process starts and stops. States: starting → running (→ retiring, where the parent asks for it) →
 * stopping (a signal, the parent is gone, or the role cannot go on) → gone.
 */
import { describeSettings, type SettingName } from "./config/settings.ts";
import { messageOf, StartStopped } from "./errors.ts";

export interface Role {
  /** The HTTP port the role listens on. */
  port: number;
  /** Its row's, where it has one. */
  id?: string;
  /** Resolves, with why, where the role cannot go on: it is stopped, and its process ends with that message. */
  failed?: Promise<Error>;
  /** Takes nothing more; resolves when what it has is finished, however long that takes. */
  retire?(): Promise<void>;
  /** Drains and closes everything; resolves when nothing of the role is left. */
  stop(): Promise<void>;
  /** Ends at once what would outlive the process. */
  abandon?(): void;
}

/** A role that is up: stopping it closes what it opened, newest first. */
export function runningRole(
  port: number,
  opened: AsyncDisposableStack,
  report: (message: string) => void,
): Role {
  return {
    port,
    async stop() {
      report("stopping");
      await opened.disposeAsync();
      report("stopped");
    },
  };
}

/** What a role's process tells the parent that started it by fork, once it runs. */
export interface RoleStarted {
  port: number;
  id?: string;
}

/** What that parent says to it: finish what you have, take nothing more, then end. */
export const RETIRE = "retire";

export interface RoleProgram {
  /** `npm run api` and so on. */
  command: string;
  purpose: string;
  settings: readonly SettingName[];
  defaults?: Partial<Record<SettingName, string>>;
  /** The arguments that it takes, and what each does. */
  options?: Readonly<Record<string, string>>;
  /** The signal: it is to stop although it has not started; then it rejects with `StartStopped`, or starts and is stopped. */
  start(env: NodeJS.ProcessEnv, signal: AbortSignal, options: readonly string[]): Promise<Role>;
}

/** Runs a role until SIGTERM or SIGINT; a second signal ends it at once. `--help` tells its settings. */
export async function runRole(program: RoleProgram, args: string[] = process.argv.slice(2)): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(
      `${program.command}: ${program.purpose}\n\n${describeOptions(program)}Settings, from the environment:\n${describeSettings(program.settings, program.defaults)}\n`,
    );
    return;
  }
  const alien = args.find((arg) => program.options?.[arg] === undefined);
  if (alien !== undefined)
    return fail(`${program.command} takes no argument ${JSON.stringify(alien)}; see --help.`);
  let role: Role | undefined;
  const stopping = untilStopped(() => role?.abandon?.());
  const retireAsked = untilRetired();
  const stopAsked = new AbortController();
  void stopping.then(() => stopAsked.abort());
  try {
    role = await program.start(process.env, stopAsked.signal, args);
    tellParent(role);
    const retired = retireAsked.then(() => role?.retire?.());
    // One that goes on until it is stopped never fails.
    const failure = await Promise.race([stopping, retired, role.failed ?? stopping]);
    await role.stop();
    if (failure) return fail(failure.message);
  } catch (error) {
    if (!(error instanceof StartStopped)) return fail(messageOf(error));
  }
  process.exit(0);
}

function describeOptions({ options = {} }: RoleProgram): string {
  const lines = Object.entries(options).map(([name, does]) => `  ${name.padEnd(28)}${does}`);
  return lines.length === 0 ? "" : `Arguments:\n${lines.join("\n")}\n\n`;
}

function tellParent({ port, id }: Role): void {
  const started: RoleStarted = { port, ...(id === undefined ? {} : { id }) };
  // A parent that is gone is heard of by the disconnect.
  process.send?.(started, undefined, undefined, () => {});
}

function untilRetired(): Promise<void> {
  return new Promise((resolve) => {
    process.on("message", (message) => {
      if (message === RETIRE) resolve();
    });
  });
}

/** A signal that comes as a pair (npm hands on what the terminal sent to both) is one. */
const SAME_SIGNAL_MS = 1_000;

/** Resolves at SIGTERM, SIGINT, or when the parent that started us by fork is gone; a later signal ends at once. */
function untilStopped(abandon: () => void): Promise<void> {
  return new Promise((resolve) => {
    let askedMs: number | undefined;
    const ask = () => {
      askedMs ??= performance.now();
      resolve();
      if (performance.now() - askedMs < SAME_SIGNAL_MS) return;
      abandon();
      process.exit(130);
    };
    process.on("SIGTERM", ask);
    process.on("SIGINT", ask);
    process.once("disconnect", ask);
    // It went while this process still loaded: nobody heard of it.
    if (process.connected === false) ask();
  });
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
