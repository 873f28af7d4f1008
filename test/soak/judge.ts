/** Whether a figure that should rest grows. Pure. */

export interface Point {
  atSeconds: number;
  value: number;
}

/** How much a figure may grow within the second half of a soak: the larger of the two. */
export interface Allowance {
  /** Of its median there. */
  share: number;
  /** In the figure's own unit. */
  least: number;
  /** What is judged is its least value in so many seconds. */
  lowOfSeconds?: number;
}

/** What has warmed up, filled its caches and met its first vacuum has done so in the first half. */
const WARM = 1 / 2;
/** A slope through fewer tells nothing. */
const LEAST_POINTS = 6;

/** The median of the slopes between all pairs (Theil–Sen), a second: what leaps or swings does not tilt it. */
export function findSlope(points: readonly Point[]): number {
  const slopes = points.flatMap((from, index) =>
    points
      .slice(index + 1)
      .filter(({ atSeconds }) => atSeconds !== from.atSeconds)
      .map((to) => (to.value - from.value) / (to.atSeconds - from.atSeconds)),
  );
  return slopes.length === 0 ? 0 : medianOf(slopes);
}

/** Each point at the least value of the seconds before it: of memory, what collections leave. */
export function findLows(points: readonly Point[], seconds: number): Point[] {
  return points.map(({ atSeconds }) => {
    const recent = points.filter(
      (point) => point.atSeconds > atSeconds - seconds && point.atSeconds <= atSeconds,
    );
    return { atSeconds, value: Math.min(...recent.map(({ value }) => value)) };
  });
}

export interface Growth {
  /** Within the second half, by its slope. */
  grown: number;
  allowed: number;
  /** The median of the second half. */
  level: number;
}

/** Undefined where there are too few points to tell. */
export function findGrowth(
  points: readonly Point[],
  { share, least, lowOfSeconds }: Allowance,
): Growth | undefined {
  const judged = lowOfSeconds === undefined ? points : findLows(points, lowOfSeconds);
  const half = judged.slice(Math.floor(judged.length * WARM));
  if (half.length < LEAST_POINTS) return undefined;
  const level = medianOf(half.map(({ value }) => value));
  const risen = findSlope(half) * (half.at(-1)!.atSeconds - half[0]!.atSeconds);
  // What was given back and is taken again has not grown: it has been there.
  const first = judged.slice(0, Math.floor(judged.length * WARM));
  const before = Math.max(...first.map((_, index) => medianFrom(first, Math.max(0, index - LEAST_POINTS))));
  const grown = Math.min(risen, medianFrom(half, half.length - LEAST_POINTS) - before);
  return { grown, level, allowed: Math.max(least, share * level) };
}

/** A sentence where it grows by more than it may. */
export function tellGrowth(
  name: string,
  unit: string,
  points: readonly Point[],
  allowance: Allowance,
): string | undefined {
  const growth = findGrowth(points, allowance);
  if (!growth || growth.grown <= growth.allowed) return undefined;
  const show = (value: number) => `${Number(value.toFixed(1))}${unit && ` ${unit}`}`;
  return `${name} grew by ${show(growth.grown)} in the second half, at a median of ${show(growth.level)}: no more than ${show(growth.allowed)} is expected.`;
}

/** Of the next few from there. */
const medianFrom = (points: readonly Point[], index: number): number =>
  medianOf(points.slice(index, index + LEAST_POINTS).map(({ value }) => value));

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
