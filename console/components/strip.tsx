/** When something fires, over a span: a bar for each slice of it. */
import { formatDuration } from "../format/duration.ts";

interface StripProps {
  counts: readonly number[];
  from: Date;
  spanMs: number;
}

const clock = (at: Date) => at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export function Strip({ counts, from, spanMs }: StripProps) {
  const most = Math.max(1, ...counts);
  const sliceMs = spanMs / counts.length;
  const marks = Array.from({ length: 5 }, (_, index) => new Date(from.getTime() + (spanMs * index) / 4));
  const told = `At most ${most.toLocaleString("en-GB")} in ${formatDuration(sliceMs)}, within ${formatDuration(spanMs)}`;
  return (
    <div>
      <div class="strip" role="img" aria-label={told}>
        {counts.map((count, index) => (
          <i
            key={index}
            style={{ height: `${(count / most) * 100}%` }}
            title={`${clock(new Date(from.getTime() + index * sliceMs))}: ${count.toLocaleString("en-GB")}`}
          />
        ))}
      </div>
      <div class="strip-hours">
        {marks.map((mark) => (
          <span key={mark.getTime()}>{clock(mark)}</span>
        ))}
      </div>
    </div>
  );
}
