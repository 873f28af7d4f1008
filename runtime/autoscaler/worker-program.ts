/** What a worker's process is started with: the sources, the bundle, or a snapshot of that. */
import { fileURLToPath } from "node:url";
import { ROLE_FLAGS } from "../../core/role-flags.ts";

const NODE_FLAGS = [
  ...ROLE_FLAGS,
  // What a worker at work comes to by itself. Growing to it while the program is loaded takes a tenth of a start.
  "--min-semi-space-size=16",
];

/** The argument of a worker that is only rehearsed. */
export const REHEARSE = "--rehearse";

/** In the environment of a worker that is started for a call: that call's revision. Its arguments any user could read. */
export const EXPECTED_REVISION = "BELLHOP_EXPECTED_REVISION";

/** Nothing in this process finds it later, nor what that starts. */
export function takeExpectedRevision(env: NodeJS.ProcessEnv): string | undefined {
  const revisionId = env[EXPECTED_REVISION];
  delete env[EXPECTED_REVISION];
  return revisionId;
}

export interface WorkerProgram {
  main: string;
  /** Where node keeps what V8 made of it; undefined: wherever node does by itself. */
  compileCache: string | undefined;
  /** Of a process that has loaded it; undefined: there is none. */
  snapshot: string | undefined;
}

/** The sources themselves. */
export const WORKER_SOURCES: WorkerProgram = {
  main: fileURLToPath(new URL("../main.ts", import.meta.url)),
  compileCache: undefined,
  snapshot: undefined,
};

/** What node is started with: those flags, too, that a snapshot has to be made with. */
export function nodeArguments({ main, snapshot }: Pick<WorkerProgram, "main" | "snapshot">): string[] {
  return [...NODE_FLAGS, ...(snapshot === undefined ? [] : ["--snapshot-blob", snapshot]), main];
}
