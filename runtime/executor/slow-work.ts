/** At most so many at once over all isolates: libuv has four threads, and quick operations need some of them. */
const MAX_AT_ONCE = 2;

let free = MAX_AT_ONCE;
const waiting: (() => void)[] = [];

/** Work that keeps a thread for long, in its turn. `isWanted` is asked when that comes; `undefined` where it is not. */
export async function runSlowly<T>(isWanted: () => boolean, work: () => Promise<T>): Promise<T | undefined> {
  if (free > 0) free--;
  else await new Promise<void>((begin) => waiting.push(begin));
  try {
    return isWanted() ? await work() : undefined;
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free++;
  }
}
