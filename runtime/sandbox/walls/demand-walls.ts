import { BellhopError } from "../../../core/errors.ts";
import type { SandboxLogger } from "../settings.ts";
import { describeWalls, missingWalls, type Wall, type WallPlan } from "./plan.ts";

/** What /readyz shows of the sandbox. */
export interface WallReport {
  walls: Wall[];
  missing: Wall[];
}

/** What is known of them by now. */
export function reportWalls({ areKnown, plan }: { areKnown: boolean; plan: WallPlan }): WallReport | string {
  return areKnown
    ? { walls: [...plan.walls], missing: missingWalls(plan) }
    : "not known yet: the first executor starts";
}

/**
 * Says in one line which walls stand around this worker's executors. Throws `sandbox_walls_missing` where all are
 * required and one is missing.
 */
export function demandWalls(
  demand: "prefer" | "require",
  { plan, refusal }: { plan: WallPlan; refusal: string | undefined },
  logger: SandboxLogger,
): WallReport {
  const report = { walls: [...plan.walls], missing: missingWalls(plan) };
  const sentence = describeWalls(plan);
  if (report.missing.length === 0) {
    logger.info(report, `sandbox: ${sentence}`);
    return report;
  }
  if (demand === "require") {
    const said = refusal === undefined ? "" : ` The host said: ${refusal}`;
    throw new BellhopError(
      "sandbox_walls_missing",
      500,
      `WORKER_SANDBOX_WALLS is require, but on this host ${sentence}.${said}`,
    );
  }
  logger.warn({ ...report, refusal }, `sandbox: ${sentence}`);
  return report;
}
