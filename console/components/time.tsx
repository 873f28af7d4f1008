import { useNow } from "../data/use-now.ts";
import { formatDuration } from "../format/duration.ts";
import { formatExact, formatRelative } from "../format/time.ts";

/** How long ago; exactly, where the pointer rests or where `isExact` asks for both. */
export function Time({ at, isExact = false }: { at: string | null | undefined; isExact?: boolean }) {
  const now = useNow();
  if (!at) return <span class="muted">never</span>;
  const instant = new Date(at);
  const relative = formatRelative(instant, now);
  return (
    <time datetime={at} title={`${instant.toLocaleString("en-GB")} (${at})`}>
      {isExact ? `${formatExact(instant, now)} · ${relative}` : relative}
    </time>
  );
}

/** Between two instants; until now where the second one has not come. */
export function Elapsed({ from, to }: { from: string | null | undefined; to: string | null | undefined }) {
  const now = useNow();
  if (!from) return <span class="muted">none</span>;
  const end = to ? new Date(to) : now;
  return <span class="number">{formatDuration(Math.max(0, end.getTime() - new Date(from).getTime()))}</span>;
}
