/** The compiler of this process: one at a time, started with the first upload, ended when none came for a while. */
import { BellhopError } from "../../core/errors.ts";
import { BuildQueue } from "./build-queue.ts";
import {
  type CompiledScript,
  type CompileJob,
  MAX_BUNDLE_BYTES,
  type SourceFault,
} from "./compiler-messages.ts";
import { COMPILER_LIMITS_WITH_PACKAGES, type CompileOutcome, CompilerProcess } from "./compiler-process.ts";
import { withSeparators } from "./source-files.ts";

/** It holds some memory. */
const KEPT_IDLE_MS = 60_000;
const RETRY_AFTER_SECONDS = 5;

const queue = new BuildQueue();
/** Packages are fetched beside the builds: a registry takes its time. One upload's at a time, since they are held in memory. */
const fetches = new BuildQueue();
let fetching: CompilerProcess | undefined;
let current: CompilerProcess | undefined;
let idle: NodeJS.Timeout | undefined;

export type Compiled = { script: CompiledScript } | { faults: SourceFault[]; count: number };

/**
 * Builds one source at a time: one that makes the compiler crash, spin or grow must not take another upload along. Such
 * a compiler is ended; the next build starts a new one.
 * Answers a fault, too, where a source takes more of the compiler than any may, or becomes too long a script. Rejects with
 * `build_interrupted` (503) where it was the machine that had too little, with `registry_unavailable` (503) where packages
 * cannot be fetched, and with `build_overloaded` (503) where too many builds of the tenant wait.
 */
export function compile(tenant: string, job: CompileJob): Promise<Compiled> {
  if (job.packages) return fetches.run(tenant, () => compileWithPackages(tenant, job));
  return queue.run(tenant, async () => toCompiled(await compileInKept(job)));
}

/** What is built now is interrupted. */
export function stopCompiler(): void {
  stopKept();
  fetching?.stop();
  fetching = undefined;
}

function stopKept(): void {
  clearTimeout(idle);
  current?.stop();
  current = undefined;
}

function toCompiled(outcome: CompileOutcome): Compiled {
  switch (outcome.kind) {
    case "built":
      return { script: outcome.script };
    case "refused":
      return outcome;
    case "unavailable":
      throw new BellhopError("registry_unavailable", 503, outcome.why, [], RETRY_AFTER_SECONDS);
    case "tooLarge":
      return refuse(
        `The built script takes ${withSeparators(outcome.bytes)} bytes; the most is ${withSeparators(MAX_BUNDLE_BYTES)}.`,
      );
    case "exhausted":
      return refuse(
        "The compiler gave up on this source: it nests too deeply, grows too large or takes too long to build.",
      );
    case "interrupted":
      throw new BellhopError(
        "build_interrupted",
        503,
        "The compiler was interrupted before this upload was built; nothing is wrong with it: send it again.",
        [],
        RETRY_AFTER_SECONDS,
      );
  }
}

const refuse = (text: string): Compiled => ({ faults: [{ text }], count: 1 });

async function compileInKept(job: CompileJob): Promise<CompileOutcome> {
  clearTimeout(idle);
  if (current === undefined || current.isGone) current = new CompilerProcess();
  const { hasBuilt } = current;
  let outcome = await current.build(job);
  if (hasBuilt && outcome.kind === "exhausted" && outcome.of === "memory") {
    // What the uploads before have left there is not this one's. One that is too large by itself is built twice for it.
    current = new CompilerProcess();
    outcome = await current.build(job);
  }
  idle = setTimeout(stopKept, KEPT_IDLE_MS).unref();
  return outcome;
}

/** What others wrote is unpacked in a process that sees no other upload. */
async function compileWithPackages(tenant: string, job: CompileJob): Promise<Compiled> {
  const apart = new CompilerProcess(COMPILER_LIMITS_WITH_PACKAGES);
  fetching = apart;
  try {
    const fetched = await apart.fetch(job);
    if (fetched !== "fetched") return toCompiled(fetched);
    return await queue.run(tenant, async () => {
      stopKept();
      return toCompiled(await apart.buildFetched());
    });
  } finally {
    apart.stop();
    if (fetching === apart) fetching = undefined;
  }
}
