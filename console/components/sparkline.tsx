/** A bar for each hour of a day, in the width of a cell; what it says is told in words as well. */
export function Sparkline({ counts, label }: { counts: readonly number[]; label: string }) {
  const most = Math.max(1, ...counts);
  return (
    <span class="spark" role="img" aria-label={label} title={label}>
      {counts.map((count, index) => (
        // A single failure beside thousands is still to be seen.
        <i key={index} style={{ height: count === 0 ? "1px" : `${Math.max(12, (count / most) * 100)}%` }} />
      ))}
    </span>
  );
}
