/** What has just been done, or could not be: said for a moment, and to screen readers. */
import { useEffect, useState } from "preact/hooks";
import { Help } from "./page.tsx";

const SHOWN_MS = 6_000;

interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
  /** Where it is told what to do about it. */
  help: string | undefined;
}

let toasts: Toast[] = [];
let nextId = 1;
const watchers = new Set<() => void>();

function change(next: Toast[]): void {
  toasts = next;
  for (const watcher of watchers) watcher();
}

export function toast(text: string, tone: Toast["tone"] = "good", help?: string): void {
  const id = nextId++;
  change([...toasts.slice(-3), { id, text, tone, help }]);
  setTimeout(() => change(toasts.filter((each) => each.id !== id)), SHOWN_MS);
}

export function Toasts() {
  const [shown, setShown] = useState(toasts);
  useEffect(() => {
    const update = () => setShown(toasts);
    watchers.add(update);
    return () => void watchers.delete(update);
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, tone, help }) => (
        <div class="toast" data-tone={tone} key={id}>
          {text} {help && <Help address={help} />}
        </div>
      ))}
    </div>
  );
}
