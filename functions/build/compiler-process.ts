/**
 * A compiler's process, seen from the API: starting → ready → building ⇄ ready → gone. A job with packages is built in
 * two steps: they are fetched, and then waited for until there is a turn for the build. It is gone for good when it
 * ended, when esbuild did, when a build took too much, and when it was stopped.
 *
 * It is a process of its own, because esbuild's service is one for each process that uses it: whoever else uses it there
 * and stops it would stop it in the middle of a build.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { readProcessorMs } from "../../core/processes/processor-time.ts";
import { ResidentMemory } from "../../core/processes/resident-memory.ts";
import {
  BUILD_FETCHED,
  type CompiledScript,
  type CompileJob,
  type CompilerMessage,
  type SourceFault,
} from "./compiler-messages.ts";

const PROGRAM = fileURLToPath(new URL("compiler-program.ts", import.meta.url));
/** What it needs to be found and to start fast; no setting and no secret of the API's. */
const PASSED_ON = ["PATH", "TMPDIR", "NODE_COMPILE_CACHE", "ESBUILD_BINARY_PATH", "NODE_EXTRA_CA_CERTS"];

export interface CompilerLimits {
  /** Of esbuild. */
  memoryBytes: number;
  /** Of esbuild and the process that it works for. */
  bothBytes: number;
  /** Of processor time, for one upload: its own work, however busy the machine is. */
  processorMs: number;
  /** For one upload, with the start of the process; for the packages of one, too. */
  wallMs: number;
}

/** Of the process that reads the sources with computed imports. */
const HEAP_MB = 500;

export const COMPILER_LIMITS: CompilerLimits = {
  memoryBytes: 500_000_000,
  // It holds what the uploads before have left; its heap is bounded.
  bothBytes: Number.POSITIVE_INFINITY,
  processorMs: 10_000,
  wallMs: 60_000,
};

/** Packages are unpacked, and are more source than anybody writes. */
export const COMPILER_LIMITS_WITH_PACKAGES: CompilerLimits = {
  ...COMPILER_LIMITS,
  bothBytes: 800_000_000,
  processorMs: 30_000,
  wallMs: 120_000,
};

/** `exhausted`: the source took more than any may. `interrupted`: the machine or somebody else ended the build. */
export type CompileOutcome =
  | { kind: "built"; script: CompiledScript }
  | { kind: "refused"; faults: SourceFault[]; count: number }
  | { kind: "unavailable"; why: string }
  | { kind: "tooLarge"; bytes: number }
  | { kind: "exhausted"; of: "memory" | "processor" }
  | { kind: "interrupted" };

const LOOK_MS = 20;
/** How Go begins when it crashes, mostly for want of stack or memory, and Node for want of it; who is killed says nothing. */
const CRASHED = /^(?:runtime: |fatal error: |panic: |SIG(?!QUIT)[A-Z]+: |FATAL ERROR: .*heap)/m;
const MAX_KEPT_WORDS = 8_192;

export class CompilerProcess {
  readonly #child: ChildProcess;
  readonly #limits: CompilerLimits;
  /** What esbuild printed to the end; it is little unless it crashed. */
  #words = "";
  #esbuildPid: number | undefined;
  #isReady = false;
  #hasBuilt = false;
  #isGone = false;
  /** Nothing of it is left: its number may be given to another process. */
  #isClosed = false;
  #job: CompileJob | undefined;
  #settle: ((outcome: CompileOutcome | "fetched") => void) | undefined;
  /** Ends a job that takes more than one may; while there is one. */
  #look: () => void = () => {};
  /** Of processor time, when the job began. */
  #beganMs = 0;

  constructor(limits: CompilerLimits = COMPILER_LIMITS, heapMb: number = HEAP_MB) {
    this.#limits = limits;
    const env = Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]]));
    this.#child = fork(PROGRAM, [String(limits.memoryBytes)], {
      env,
      execArgv: ["--disable-warning=ExperimentalWarning", `--max-old-space-size=${heapMb}`],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // A group of its own: it is killed with esbuild, and Ctrl-C in a terminal leaves a build to the API's drain.
      detached: true,
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (words: string) => {
      if (this.#words.length < MAX_KEPT_WORDS) this.#words += words;
    });
    this.#child.on("message", (message) => this.#onMessage(message as CompilerMessage));
    // After "exit", when all that it printed has been read.
    this.#child.on("close", () => {
      this.#isClosed = true;
      this.#onGone();
    });
    this.#child.on("error", () => this.#onGone());
    this.#holdOpen(false);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** It may hold memory of an earlier build. */
  get hasBuilt(): boolean {
    return this.#hasBuilt;
  }

  /** One at a time, without packages. Never rejects. */
  async build(job: CompileJob): Promise<CompileOutcome> {
    return (await this.fetch(job)) as CompileOutcome;
  }

  /** Fetches the job's packages, for `buildFetched`; where they cannot be had it is over. Never rejects. */
  fetch(job: CompileJob): Promise<CompileOutcome | "fetched"> {
    this.#beganMs = this.#processorMs();
    return this.#run(() => {
      this.#job = job;
      if (this.#isReady) this.#send(job);
    });
  }

  /** Never rejects. */
  async buildFetched(): Promise<CompileOutcome> {
    return (await this.#run(() => this.#send(BUILD_FETCHED))) as CompileOutcome;
  }

  #run(begin: () => void): Promise<CompileOutcome | "fetched"> {
    if (this.#isGone) return Promise.resolve({ kind: "interrupted" });
    this.#holdOpen(true);
    const ended = new Promise<CompileOutcome | "fetched">((settle) => {
      this.#settle = settle;
    });
    const stopWatching = this.#watch();
    begin();
    return ended.finally(() => {
      stopWatching();
      this.#holdOpen(false);
    });
  }

  stop(): void {
    this.#end({ kind: "interrupted" });
  }

  #onMessage(message: CompilerMessage): void {
    switch (message.t) {
      case "ready":
        this.#isReady = true;
        this.#esbuildPid = message.esbuildPid;
        if (this.#job) this.#send(this.#job);
        break;
      case "fetched":
        // What it holds now it holds until its turn, and nobody watches it meanwhile.
        this.#look();
        this.#settle?.("fetched");
        this.#settle = undefined;
        break;
      case "built":
        this.#finish({ kind: "built", script: message.script });
        break;
      case "refused":
        this.#finish({ kind: "refused", faults: message.faults, count: message.count });
        break;
      case "unavailable":
        this.#finish({ kind: "unavailable", why: message.why });
        break;
      case "tooLarge":
        this.#finish({ kind: "tooLarge", bytes: message.bytes });
        break;
      case "broken":
        // Why is told by what it printed, once that is read to the end.
        this.#kill();
    }
  }

  #send(job: CompileJob | typeof BUILD_FETCHED): void {
    // Where it cannot be sent the process is gone, which is heard of.
    this.#child.send(job, () => {});
  }

  #finish(outcome: CompileOutcome): void {
    this.#job = undefined;
    this.#hasBuilt = true;
    this.#settle?.(outcome);
    this.#settle = undefined;
  }

  #onGone(): void {
    this.#isGone = true;
    const isCrashed = CRASHED.test(this.#words);
    this.#finish(isCrashed ? { kind: "exhausted", of: "memory" } : { kind: "interrupted" });
  }

  #end(outcome: CompileOutcome): void {
    this.#isGone = true;
    this.#finish(outcome);
    this.#kill();
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isClosed) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }

  /** Looks again and again until it is told to stop. */
  #watch(): () => void {
    const beganAt = performance.now();
    const own = new ResidentMemory(this.#child.pid ?? 0);
    let memory: ResidentMemory | undefined;
    this.#look = () => {
      if (this.#esbuildPid !== undefined) memory ??= new ResidentMemory(this.#esbuildPid);
      const memoryBytes = memory?.readBytes() ?? 0;
      const used = {
        memoryBytes,
        bothBytes: memoryBytes + (own.readBytes() ?? 0),
        processorMs: this.#processorMs() - this.#beganMs,
        wallMs: performance.now() - beganAt,
      };
      const outcome = judgeUse(used, this.#limits);
      if (outcome) this.#end(outcome);
    };
    const timer = setInterval(this.#look, LOOK_MS);
    return () => {
      clearInterval(timer);
      this.#look = () => {};
      own.close();
      memory?.close();
    };
  }

  #processorMs(): number {
    const pids = [this.#child.pid, this.#esbuildPid];
    return pids.reduce<number>((sum, pid) => sum + (pid === undefined ? 0 : (readProcessorMs(pid) ?? 0)), 0);
  }

  /** While nothing is built it keeps nobody from ending. */
  #holdOpen(isHeld: boolean): void {
    const [child, channel] = [this.#child, this.#child.channel];
    const stderr = child.stderr as unknown as { ref(): void; unref(): void };
    for (const handle of [child, channel, stderr]) {
      if (isHeld) handle?.ref();
      else handle?.unref();
    }
  }
}

/** Whether a build has taken more than a source may, or only longer than anybody waits. */
export function judgeUse(used: CompilerLimits, limits: CompilerLimits): CompileOutcome | undefined {
  const isTooMuch = (kind: "memoryBytes" | "bothBytes" | "processorMs") => used[kind] > limits[kind];
  if (isTooMuch("memoryBytes") || isTooMuch("bothBytes")) return { kind: "exhausted", of: "memory" };
  if (isTooMuch("processorMs")) return { kind: "exhausted", of: "processor" };
  return used.wallMs > limits.wallMs ? { kind: "interrupted" } : undefined;
}
