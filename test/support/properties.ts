/**
 * How properties are tried: so many cases, from one seed, so that a run can be repeated. `npm test -- --seed N` draws
 * others (`random`: of its own choice), `--cases N` more of them; what breaks is printed with its seed.
 */
import fc, { type Parameters } from "fast-check";

/** The same every time: a suite that is red by chance says nothing of the change that it judges. */
const DEFAULT_SEED = 1;
/** Long before the runner's patience ends. */
const TIME_LIMIT_MS = 30_000;

/** For properties that draw by themselves (random.ts). */
export function drawSeed(): number {
  const { BELLHOP_TEST_SEED: seed } = process.env;
  if (seed === undefined) return DEFAULT_SEED;
  return seed === "random" ? Math.floor(Math.random() * 2 ** 32) : Number(seed);
}

function drawnBy<T>(cases: number): Parameters<T> {
  const { BELLHOP_TEST_SEED: seed, BELLHOP_TEST_CASES: asked } = process.env;
  return {
    numRuns: asked === undefined ? cases : Number(asked),
    ...(seed !== "random" && { seed: seed === undefined ? DEFAULT_SEED : Number(seed) }),
  };
}

/** A machine that is busy tries fewer, but as many as somebody asked for. */
const timeLimit = () => (process.env["BELLHOP_TEST_CASES"] === undefined ? TIME_LIMIT_MS : undefined);

/** Throws, with the smallest case that it finds, where the property does not hold. */
export function assertHolds<T extends unknown[]>(property: fc.IProperty<T>, cases: number): void {
  const limitMs = timeLimit();
  fc.assert(property, {
    ...drawnBy(cases),
    ...(limitMs !== undefined && { interruptAfterTimeLimit: limitMs }),
  });
}

/**
 * The same of what takes time. A case that is under way when time is up is seen to its end: interrupted, it would go on
 * beside the next test.
 */
export async function assertAsyncHolds<T>(
  any: fc.Arbitrary<T>,
  hold: (value: T) => Promise<void>,
  cases: number,
): Promise<void> {
  const untilMs = performance.now() + (timeLimit() ?? Number.POSITIVE_INFINITY);
  let tried = 0;
  const property = fc.asyncProperty(any, async (value) => {
    if (tried > 0 && performance.now() > untilMs) return;
    tried += 1;
    await hold(value);
  });
  await fc.assert(property, drawnBy(cases));
}
