/** When something fires, over a span: a bar for each slice of it. */
import { formatDuration } from "../format/duration.ts";

interface StripProps {
  instants: readonly Date[];
  from: Date;
  spanMs: number;
  slices?: number;
}

export function Strip({ instants, from, spanMs, slices = 96 }: StripProps) {
  const counts = new Array<number>(slices).fill(0);
  for (const at of instants) {
    const slice = Math.floor(((at.getTime() - from.getTime()) / spanMs) * slices);
    if (slice >= 0 && slice < slices) counts[slice]! += 1;
  }
  const most = Math.max(1, ...counts);
  const marks = Array.from({ length: 5 }, (_, index) => new Date(from.getTime() + (spanMs * index) / 4));
  const told = `${instants.length} in the next ${formatDuration(spanMs)}, at most ${most} in ${formatDuration(spanMs / slices)}`;
  return (
    <div>
      <div class="strip" role="img" aria-label={told}>
        {counts.map((count, index) => (
          <i key={index} style={{ height: `${(count / most) * 100}%` }} title={`${count}`} />
        ))}
      </div>
      <div class="strip-hours">
        {marks.map((mark) => (
          <span key={mark.getTime()}>
            {mark.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}
          </span>
        ))}
      </div>
    </div>
  );
}
