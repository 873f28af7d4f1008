/**
 * The worker's program in a few files in place of a thousand: half of what a start costs is finding and reading
 * modules. Made at the autoscaler's start, of the sources as they stand then, and removed with it: nothing can be out
 * of date. States: making → made → removed, or making → failed: then workers start from the sources. A machine may
 * clear away temporary files that are not used for days: made → (a file is missing) → making.
 */
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOwn, makeOwnFolder } from "../../core/processes/own-folder.ts";
import { bundleWorkerProgram } from "./bundle-worker-program.ts";

const WORKER_MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface WorkerProgram {
  main: string;
  /** Where node keeps what V8 made of it; undefined: wherever node does by itself. */
  compileCache: string | undefined;
}

/** The sources themselves. */
export const WORKER_SOURCES: WorkerProgram = { main: WORKER_MAIN, compileCache: undefined };

export interface WorkerBundle {
  /** What to start now: the bundle once it is made, the sources until then. */
  program(): WorkerProgram;
  /** Resolves when it is made, or failed. */
  settled(): Promise<void>;
  remove(): Promise<void>;
}

interface MadeBundle {
  program: WorkerProgram;
  /** Its folder and what lies in it: where one of them is missing, or another user's, it is not used. */
  paths: string[];
}

/** Begins to make it, in a folder of `parent`. `onError` hears why it cannot be made. */
export function bundleWorker(onError: (error: unknown) => void, parent = tmpdir()): WorkerBundle {
  const folders: string[] = [];
  let made: MadeBundle | undefined;
  const make = async () => {
    const folder = makeOwnFolder(parent, "bellhop-worker");
    folders.push(folder);
    made = await makeBundle(folder);
  };
  let making = make().catch(onError);
  return {
    program() {
      if (made && !made.paths.every(isOwn)) {
        made = undefined;
        making = make().catch(onError);
      }
      return made?.program ?? WORKER_SOURCES;
    },
    settled: () => making,
    async remove() {
      await making;
      made = undefined;
      for (const folder of folders.filter(isOwn)) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeBundle(folder: string): Promise<MadeBundle> {
  const compileCache = join(folder, "compile-cache");
  await mkdir(compileCache);
  const files = await bundleWorkerProgram(folder);
  return { program: { main: files[0], compileCache }, paths: [folder, compileCache, ...files] };
}
