/** A mistake that is made in a copy of the project, and who has to find it. */
import type { FaultKind } from "../torture/faults/fault.ts";

/** The one place of a file where a text stands, and what stands there instead. */
export interface Edit {
  /** From the root of the project. */
  file: string;
  from: string;
  to: string;
}

/** What is run in the copy: it ends with status 1 and names the invariant. */
export type Catcher =
  | { by: "model"; seed: number; interleavings: number }
  | {
      by: "torture";
      seed: number;
      minutes: number;
      faults: readonly FaultKind[];
      ratePerSecond: number;
      transport: "kafka" | "postgres";
    };

export interface Mutation {
  /** What is wrong, in one sentence without its full stop. */
  what: string;
  edits: readonly Edit[];
  catcher: Catcher;
  /** It is caught where one of these is violated; what is violated besides follows from it. */
  violates: readonly string[];
  /** From the start of the catcher until it has ended, on two busy cores. */
  withinSeconds: number;
}

/** Some interleavings from a seed of which the first ones find it; a few seconds. */
export const byModel = (seed: number, interleavings = 2_000) => ({
  catcher: { by: "model", seed, interleavings } as const,
  withinSeconds: 120,
});

type Torture = Extract<Catcher, { by: "torture" }>;

/** Half a minute of work under these faults, without Kafka unless it matters. */
export const byTorture = (
  faults: readonly FaultKind[],
  more: Partial<Omit<Torture, "by" | "faults">> = {},
) => ({
  catcher: {
    ...{ by: "torture", seed: 1, minutes: 0.5, faults, ratePerSecond: 40, transport: "postgres" },
    ...more,
  } as const satisfies Torture,
  withinSeconds: 300,
});
