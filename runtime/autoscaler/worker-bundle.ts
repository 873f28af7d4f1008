/**
 * The worker's program in a few files in place of a thousand, and a snapshot of a process that has loaded it: half of what
 * a start costs is finding and reading modules, and most of the rest running what they begin with. Made at the
 * autoscaler's start, of the sources as they stand then, and removed with it: nothing can be out of date. States:
 * making → made (→ with a snapshot, → without it again where node refuses it) → removed, or making → failed: then workers
 * start from the sources. A machine may clear away temporary files that are not used for days: made → (a file is
 * missing) → making.
 */
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOwn, makeOwnFolder } from "../../core/processes/own-folder.ts";
import { bundleWorkerProgram, type WorkerFiles } from "./bundle-worker-program.ts";
import { rehearseStart } from "./rehearse-start.ts";
import { WORKER_SOURCES, type WorkerProgram } from "./worker-program.ts";
import { makeWorkerSnapshot } from "./worker-snapshot.ts";

export interface WorkerBundle {
  /** What to start now: the bundle once it is made, the sources until then. */
  program(): WorkerProgram;
  /** Nothing starts from this snapshot any more, if anything still did: answers whether. */
  dropSnapshot(snapshot: string): boolean;
  /** Resolves when it is made, with its snapshot, or failed. */
  settled(): Promise<void>;
  remove(): Promise<void>;
}

interface MadeBundle {
  program: WorkerProgram;
  /** Its folder and what lies in it: where one of them is missing, or another user's, it is not used. */
  paths: string[];
}

export interface BundleOptions {
  /** Hears why it cannot be made, or its snapshot, or why no start was rehearsed for that, or no executor's first calls. */
  onError(error: unknown): void;
  /** A worker's, for its start to be rehearsed; without it none is. */
  env?: NodeJS.ProcessEnv;
  /** Of its folder. */
  parent?: string;
}

/** Begins to make it. */
export function bundleWorker({ onError, env, parent = tmpdir() }: BundleOptions): WorkerBundle {
  const folders: string[] = [];
  const removed = new AbortController();
  let made: MadeBundle | undefined;
  const make = async () => {
    const folder = makeOwnFolder(parent, "bellhop-worker");
    folders.push(folder);
    const files = await bundleWorkerProgram(folder, { onError, signal: removed.signal });
    removed.signal.throwIfAborted();
    const bundle = await toBundle(files, folder);
    made = bundle;
    const code =
      env &&
      (await rehearseStart(files, folder, env, removed.signal).catch((error: unknown) => {
        removed.signal.throwIfAborted();
        onError(error);
        return undefined;
      }));
    made = withSnapshot(bundle, await makeWorkerSnapshot(files, code, folder, removed.signal, onError));
    if (code !== undefined) await rm(code, { force: true });
  };
  const begin = () =>
    make().catch((error) => {
      if (!removed.signal.aborted) onError(error);
    });
  let making = begin();
  return {
    program() {
      if (made && !made.paths.every(isOwn)) {
        made = undefined;
        making = begin();
      }
      return made?.program ?? WORKER_SOURCES;
    },
    dropSnapshot(snapshot) {
      if (made?.program.snapshot !== snapshot) return false;
      made = {
        program: { ...made.program, snapshot: undefined },
        paths: made.paths.filter((path) => path !== snapshot),
      };
      return true;
    },
    settled: () => making,
    async remove() {
      removed.abort();
      await making;
      made = undefined;
      for (const folder of folders.filter(isOwn)) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function toBundle({ main, all }: WorkerFiles, folder: string): Promise<MadeBundle> {
  const compileCache = join(folder, "compile-cache");
  await mkdir(compileCache);
  return { program: { main, compileCache, snapshot: undefined }, paths: [folder, compileCache, ...all] };
}

function withSnapshot({ program, paths }: MadeBundle, snapshot: string): MadeBundle {
  return { program: { ...program, snapshot }, paths: [...paths, snapshot] };
}
