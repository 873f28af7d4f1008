/** What this process has opened: which processes are whose, and none is begun once all is to end. */
import { listChildren } from "../process-times.ts";

let opening: Promise<unknown> = Promise.resolve();
let isEnding = false;

/** What `open` answers, with the processes that this one had not before. Nothing else may be opened meanwhile. */
export async function withRoots<T extends object>(open: () => Promise<T>): Promise<T & { roots: number[] }> {
  if (isEnding) throw new Error("Nothing is started any more.");
  const before = new Set(listChildren(process.pid));
  const promised = open();
  opening = promised;
  const opened = await promised;
  const roots = listChildren(process.pid).filter((pid) => !before.has(pid));
  return Object.assign(opened, { roots });
}

/** From now on nothing is opened; resolves when what is being opened is there, to be closed, or has failed. */
export async function openNothingMore(): Promise<void> {
  isEnding = true;
  await opening.catch(() => {});
}
