/** Frames the author did not write: the guest's own, the host's, the border between them. */
const FOREIGN = /bellhop:|<isolated-vm|node:|file:|\.node\b|\(<anonymous>\)$/;
const MAX_FRAMES = 20;

/** The author's own lines of a stack, without its head; empty where there is none. */
export function authorFrames(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !FOREIGN.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim())
    .join("\n");
}
