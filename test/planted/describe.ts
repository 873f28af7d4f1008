/** A mutation in the words of docs/planted.md. Pure. */
import type { Mutation } from "./mutation.ts";
import { MUTATIONS } from "./mutations/index.ts";

/** Who finds it, with what, by which invariant. */
export function describeCatcher({ catcher, violates }: Mutation): string {
  const invariants = violates.map((name) => `\`${name}\``).join(" or ");
  if (catcher.by === "model")
    return `model, ${catcher.interleavings} interleavings from seed ${catcher.seed}: ${invariants}`;
  const { faults, minutes, ratePerSecond, seed, transport } = catcher;
  const work = `${minutes * 60} s at ${ratePerSecond} a second, seed ${seed}, ${transport}`;
  return `torture of ${faults.join(", ")}, ${work}: ${invariants}`;
}

/** The rows of the table: name, what is wrong, who finds it, within how many seconds. */
export const listRows = (): string[][] =>
  Object.entries(MUTATIONS).map(([name, mutation]) => [
    `\`${name}\``,
    `${mutation.what}.`,
    describeCatcher(mutation),
    `${mutation.withinSeconds} s`,
  ]);
