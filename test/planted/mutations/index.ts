/** All mutations, by name. */
import type { Mutation } from "../mutation.ts";
import { EXECUTING_MUTATIONS } from "./executing.ts";
import { FIRING_MUTATIONS } from "./firing.ts";
import { LIMIT_MUTATIONS } from "./limits.ts";
import { OVERLAP_MUTATIONS } from "./overlaps.ts";
import { RECORDING_MUTATIONS } from "./recording.ts";

const ALL = {
  ...FIRING_MUTATIONS,
  ...EXECUTING_MUTATIONS,
  ...RECORDING_MUTATIONS,
  ...LIMIT_MUTATIONS,
  ...OVERLAP_MUTATIONS,
};

export type MutationName = keyof typeof ALL;

export const MUTATIONS: Record<MutationName, Mutation> = ALL;
