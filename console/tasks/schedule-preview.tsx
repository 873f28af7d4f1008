/** What a schedule means, as one types it: in words, and by its next instants. */
import { useEffect, useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Loading, Problem } from "../components/page.tsx";
import { Badge } from "../components/state.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { formatLocal } from "../format/time.ts";
import { isAfterClockChange } from "./clock-changes.ts";
import { InstantStrip } from "./instant-strip.tsx";
import type { WireSchedule } from "./schedule-form.ts";

const ASKED_AFTER_MS = 200;
const SHOWN = 5;
const ON_STRIP = 50;

export function SchedulePreview({ schedule }: { schedule: WireSchedule | undefined }) {
  const text = JSON.stringify(schedule ?? null);
  const [asked, setAsked] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text), ASKED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const query = useQuery(`preview ${asked}`, async () => {
    const given = JSON.parse(asked) as WireSchedule | null;
    if (!given) return undefined;
    return await unwrap(
      client().POST("/v1/schedules/preview", { body: { schedule: given, count: ON_STRIP } }),
    );
  });
  if (!schedule) return <p class="muted">It runs once, as soon as it is created.</p>;
  if (query.error !== undefined) return <Problem error={query.error} />;
  if (!query.data) return <Loading />;
  return (
    <div class="section" aria-live="polite">
      <p>
        <strong>{query.data.description}</strong>
      </p>
      <Instants items={query.data.items.slice(0, SHOWN)} />
      <InstantStrip items={query.data.items} />
    </div>
  );
}

type Instant = Schemas["SchedulePreview"]["items"][number];

/** An effective instant is shown where it differs from the nominal one, and a clock change where it lies between two. */
export function Instants({ items }: { items: readonly Instant[] }) {
  if (items.length === 0) return <p class="muted">It never fires again.</p>;
  return (
    <ol class="needs">
      {items.map(({ nominalAt, effectiveAt, local }, index) => {
        const isChanged = isAfterClockChange(items[index - 1], { local });
        return (
          <li key={nominalAt}>
            <span class="number">{formatLocal(local)}</span>
            <span class="muted">
              {" · "}
              <Time at={nominalAt} />
            </span>
            {effectiveAt !== nominalAt && (
              <span class="muted">
                , in effect <Time at={effectiveAt} isExact />
              </span>
            )}
            {isChanged && (
              <>
                {" "}
                <Badge tone="warn">the clocks change before it</Badge>
              </>
            )}
          </li>
        );
      })}
    </ol>
  );
}
