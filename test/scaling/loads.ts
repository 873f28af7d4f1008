/** The shapes of load that the autoscaler is tried on. The same at every run: their noise is counted, not drawn by lot. */

export interface LoadShape {
  name: string;
  title: string;
  durationSeconds: number;
  /** How long each run holds its slot. */
  runMs: number;
  /** Whether its instants are known ahead, as those of schedules are. */
  isKnownAhead: boolean;
  /** How many runs become due in each second, by its number. Those of one second come evenly, unless `atOnce`. */
  arrivals: number[];
  atOnce?: boolean;
}

const MINUTE = 60;

/** Between 0 and 1, the same for the same number: steps of the golden ratio never come near each other soon. */
function noise(second: number): number {
  return ((second * 2_654_435_769) % 4_294_967_296) / 4_294_967_296;
}

function shape(seconds: number, runsAt: (second: number) => number): number[] {
  return Array.from({ length: seconds }, (_, second) => Math.round(runsAt(second)));
}

export const LOAD_SHAPES: LoadShape[] = [
  {
    name: "idle",
    title: "Idle: a scheduled run every three minutes",
    durationSeconds: 10 * MINUTE,
    runMs: 2_000,
    isKnownAhead: true,
    arrivals: shape(8 * MINUTE, (second) => (second % (3 * MINUTE) === MINUTE ? 1 : 0)),
    atOnce: true,
  },
  {
    name: "spike",
    title: "Spike: 5 runs a second, and 4,000 at once after two minutes",
    durationSeconds: 7 * MINUTE,
    runMs: 1_000,
    isKnownAhead: false,
    arrivals: shape(6 * MINUTE, (second) => (second === 2 * MINUTE ? 4_000 : 4 + 2 * noise(second))),
  },
  {
    name: "steady",
    title: "Steady: about 260 runs a second for six minutes",
    durationSeconds: 8 * MINUTE,
    runMs: 1_000,
    isKnownAhead: false,
    arrivals: shape(6 * MINUTE, (second) => 240 + 40 * noise(second)),
  },
  {
    name: "sawtooth",
    title: "Sawtooth: from nothing to 400 runs a second, every half minute",
    durationSeconds: 6 * MINUTE,
    runMs: 1_000,
    isKnownAhead: false,
    arrivals: shape(5 * MINUTE, (second) => ((second % 30) / 29) * 400),
  },
  {
    name: "midnight",
    title: "Midnight: 100,000 scheduled runs at one instant",
    durationSeconds: 3 * MINUTE,
    runMs: 500,
    isKnownAhead: true,
    arrivals: shape(MINUTE + 1, (second) => (second === MINUTE ? 100_000 : 0)),
    atOnce: true,
  },
];
