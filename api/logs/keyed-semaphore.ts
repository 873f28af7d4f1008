/** Runs work as it comes, so many pieces at once, of each key one; of those that wait each key has one in its turn. */
export interface KeyedSemaphore {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createKeyedSemaphore(atOnce: number): KeyedSemaphore {
  const running = new Set<string>();
  const waiting = new Map<string, (() => void)[]>();

  function startNext(): void {
    for (const [key, queue] of waiting) {
      if (running.size >= atOnce) return;
      if (running.has(key)) continue;
      waiting.delete(key);
      const start = queue.shift()!;
      running.add(key);
      // Behind the other keys.
      if (queue.length > 0) waiting.set(key, queue);
      start();
    }
  }

  return {
    async run(key, work) {
      if (running.size < atOnce && !running.has(key)) running.add(key);
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
        running.delete(key);
        startNext();
      }
    },
  };
}
