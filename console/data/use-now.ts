/** The present, for what is told relative to it: one timer for all. */
import { useEffect, useState } from "preact/hooks";

const EVERY_MS = 5_000;
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

export function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const update = () => setNow(new Date());
    watchers.add(update);
    timer ??= setInterval(() => {
      for (const watcher of watchers) watcher();
    }, EVERY_MS);
    return () => {
      watchers.delete(update);
      if (watchers.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, []);
  return now;
}
