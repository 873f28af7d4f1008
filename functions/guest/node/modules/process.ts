/** `process`: what a function may know of the process that it takes itself to run in. Nothing in it is the host's. */
import services from "internal:services";

type Listener = (...args: unknown[]) => void;
declare const require: (name: string) => unknown;

/** Node's, as this was written for; a constant, not asked of the host. */
const VERSION = "24.21.0";
const NANOSECONDS = 1_000_000_000;

/** Chunks are gathered until a line is whole, or is longer than this. */
const MAX_LINE_CHARS = 8_000;

/** What is written becomes lines of the run's log; a part of one that is left goes there as the run ends. */
function outputTo(level: "info" | "error", fd: number) {
  let rest = "";
  const flush = () => {
    if (rest === "") return;
    const line = rest;
    rest = "";
    services.log(level, line);
  };
  services.beforeRunEnd(flush);
  // What was written after the run before.
  services.onRun(() => {
    rest = "";
  });
  const write = (chunk: unknown, encoding?: unknown, callback?: unknown): boolean => {
    const text =
      typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk as Uint8Array<ArrayBuffer>);
    const end = text.lastIndexOf("\n");
    if (end !== -1) {
      services.log(level, rest + text.slice(0, end));
      rest = "";
    }
    rest += text.slice(end + 1);
    if (rest.length > MAX_LINE_CHARS) flush();
    const done = typeof encoding === "function" ? encoding : callback;
    if (typeof done === "function") queueMicrotask(() => done());
    return true;
  };
  const end = (chunk?: unknown, encoding?: unknown, callback?: unknown): void => {
    const done = [chunk, encoding, callback].find((each) => typeof each === "function") as
      | Listener
      | undefined;
    if (chunk != null && typeof chunk !== "function") write(chunk, undefined, done);
    else if (done) queueMicrotask(() => done());
    flush();
  };
  const stream = { fd, isTTY: false, writable: true, write, end };
  const ignore = () => stream;
  return Object.assign(stream, {
    on: ignore,
    once: ignore,
    off: ignore,
    removeListener: ignore,
    emit: () => false,
  });
}

let emitter: Record<string, (...args: unknown[]) => unknown> | undefined;

/** Its events are those that the author's code emits itself. */
function emitterMethod(name: string) {
  return (...args: unknown[]) => {
    emitter ??= new (require("node:events") as new () => NonNullable<typeof emitter>)();
    const answer = emitter[name]!(...args);
    return answer === emitter ? process : answer;
  };
}

function hrtime(before?: [seconds: number, nanoseconds: number]): [number, number] {
  const now = performance.now();
  let seconds = Math.floor(now / 1_000);
  let nanoseconds = Math.floor((now % 1_000) * 1_000_000);
  if (before) {
    seconds -= before[0];
    nanoseconds -= before[1];
    if (nanoseconds < 0) {
      seconds -= 1;
      nanoseconds += NANOSECONDS;
    }
  }
  return [seconds, nanoseconds];
}
hrtime.bigint = () => BigInt(Math.floor(performance.now() * 1_000_000));

const process = {
  title: "node",
  version: `v${VERSION}`,
  versions: { node: VERSION },
  release: { name: "node" },
  arch: "x64",
  platform: "linux",
  argv: ["node", "function.js"],
  argv0: "node",
  execArgv: [] as string[],
  execPath: "node",
  exitCode: undefined,
  features: {},
  config: {},
  env: services.env(),
  stdout: outputTo("info", 1),
  stderr: outputTo("error", 2),
  stdin: { fd: 0, isTTY: false },
  cwd: () => "/",
  umask: () => 0o022,
  uptime: () => performance.now() / 1_000,
  hrtime,
  nextTick(callback: Listener, ...args: unknown[]) {
    queueMicrotask(args.length === 0 ? callback : () => callback(...args));
  },
  emitWarning(warning: unknown) {
    services.log("warn", warning instanceof Error ? `${warning.name}: ${warning.message}` : String(warning));
  },
  getBuiltinModule(name: string): unknown {
    try {
      return services.requireByName(name);
    } catch {
      return undefined;
    }
  },
};

for (const name of [
  "on",
  "once",
  "off",
  "addListener",
  "removeListener",
  "removeAllListeners",
  "prependListener",
  "emit",
  "listeners",
  "listenerCount",
  "setMaxListeners",
  "getMaxListeners",
  "eventNames",
]) {
  Object.defineProperty(process, name, { value: emitterMethod(name), writable: true, configurable: true });
}

export default process;
