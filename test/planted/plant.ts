/** One mutation in one copy: made, hunted, taken back. */
import { applyMutation } from "./apply-mutation.ts";
import type { ProjectCopy } from "./copy-project.ts";
import type { Mutation } from "./mutation.ts";
import { type Catch, runCatcher } from "./run-catcher.ts";

export interface Hunt extends Catch {
  /** In time, and by an invariant that says what is wrong. */
  isCaught: boolean;
}

/** A catcher that hangs is ended after so many times the time it has. */
const PATIENCE = 3;

export async function plant(copy: ProjectCopy, mutation: Mutation): Promise<Hunt> {
  const takeBack = await applyMutation(copy.folder, mutation.edits);
  try {
    const found = await hunt(copy, mutation);
    return { ...found, isCaught: isCaught(mutation, found) };
  } finally {
    await takeBack();
  }
}

/** The same without the mistake. */
export const hunt = (copy: ProjectCopy, { catcher, withinSeconds }: Mutation): Promise<Catch> =>
  runCatcher(copy, catcher, PATIENCE * withinSeconds * 1_000);

/** Pure. */
export const isCaught = ({ violates, withinSeconds }: Mutation, { violated, hasFailed, seconds }: Catch) =>
  !hasFailed && seconds <= withinSeconds && violated.some((invariant) => violates.includes(invariant));
