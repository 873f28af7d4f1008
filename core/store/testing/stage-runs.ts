/** For tests that ask for runs alone. */
import { stageOccurrences } from "../runs/stage.ts";
import type { StagedRun } from "../runs/staged-run.ts";

export const stageDueTasks = async (...given: Parameters<typeof stageOccurrences>): Promise<StagedRun[]> =>
  (await stageOccurrences(...given)).runs;
