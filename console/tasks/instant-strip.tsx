/** The next instants on a line of time: nominal ones, effective ones where these differ, and where the clocks change. */
import type { Schemas } from "../../client/client.ts";
import { formatDuration } from "../format/duration.ts";
import { findClockChanges } from "./clock-changes.ts";

type Instant = Schemas["SchedulePreview"]["items"][number];

export function InstantStrip({ items }: { items: readonly Instant[] }) {
  const from = Date.now();
  const to = Math.max(
    ...items.map(({ nominalAt, effectiveAt }) => Date.parse(maxOf(nominalAt, effectiveAt))),
  );
  if (items.length < 2 || to <= from) return null;
  const left = (at: string) =>
    `${Math.min(100, Math.max(0, ((Date.parse(at) - from) / (to - from)) * 100))}%`;
  const changes = findClockChanges(items);
  const isShifted = items.some(({ nominalAt, effectiveAt }) => nominalAt !== effectiveAt);
  const said = [
    `${items.length} instants in ${formatDuration(to - from)}`,
    ...changes.map(({ local }) => `the clocks change before ${local}`),
  ].join("; ");
  return (
    <div class="section">
      <div class="instants" role="img" aria-label={said}>
        {items.map(({ nominalAt }) => (
          <i key={nominalAt} data-kind="nominal" style={{ left: left(nominalAt) }} />
        ))}
        {items.map(
          ({ nominalAt, effectiveAt }) =>
            effectiveAt !== nominalAt && (
              <i key={effectiveAt} data-kind="effective" style={{ left: left(effectiveAt) }} />
            ),
        )}
        {changes.map(({ nominalAt, local }) => (
          <i
            key={`change ${nominalAt}`}
            data-kind="change"
            style={{ left: left(nominalAt) }}
            title={`The clocks change before ${local}`}
          />
        ))}
      </div>
      <div class="legend">
        <span>now to {formatDuration(to - from)} from now:</span>
        <span>
          <span class="swatch" data-tone="nominal" />
          {isShifted ? "as the schedule says" : `${items.length} instants`}
        </span>
        {isShifted && (
          <span>
            <span class="swatch" data-tone="busy" />
            in effect
          </span>
        )}
        {changes.length > 0 && (
          <span>
            <span class="swatch" data-tone="warn" />
            the clocks change
          </span>
        )}
      </div>
    </div>
  );
}

const maxOf = (a: string, b: string) => (Date.parse(a) > Date.parse(b) ? a : b);
