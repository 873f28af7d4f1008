/** Runs work as it comes, so many pieces at once; of those that wait each key has one in its turn. */
export interface KeyTurns {
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createKeyTurns(atOnce: number): KeyTurns {
  let free = atOnce;
  const waiting = new Map<string, (() => void)[]>();

  function startNext(): void {
    const [entry] = waiting;
    if (!entry) {
      free += 1;
      return;
    }
    const [key, queue] = entry;
    waiting.delete(key);
    const start = queue.shift()!;
    // Behind the other keys.
    if (queue.length > 0) waiting.set(key, queue);
    start();
  }

  return {
    async take(key, work) {
      if (free > 0) free -= 1;
      else {
        await new Promise<void>((resolve) => {
          const queue = waiting.get(key);
          if (queue) queue.push(resolve);
          else waiting.set(key, [resolve]);
        });
      }
      try {
        return await work();
      } finally {
        startNext();
      }
    },
  };
}
