/** Where bells travel. `long-runs`: those of runs that outlast what an event's sender waits for. */
export const LANES = ["runs", "long-runs"] as const;
export type Lane = (typeof LANES)[number];

/** How a worker receives: `queue` and `long-runs` consume a lane, `events` is sent CloudEvents and consumes nothing. */
export const RECEIVE_MODES = ["queue", "long-runs", "events"] as const;
export type ReceiveMode = (typeof RECEIVE_MODES)[number];

/** The lane a worker consumes; undefined where it is sent its bells. */
export function laneOf(mode: ReceiveMode): Lane | undefined {
  if (mode === "events") return undefined;
  return mode === "queue" ? "runs" : "long-runs";
}
