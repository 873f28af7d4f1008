/** What went on, over time: runs by outcome, lateness, backlog, and for operators the workers. */
import type { ComponentChildren } from "preact";
import { unwrap } from "../../client/client.ts";
import { Segments } from "../components/field.tsx";
import { Answered, Section } from "../components/page.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { useSearch } from "../data/use-search.ts";
import { formatDuration } from "../format/duration.ts";
import { Chart } from "./chart.tsx";
import { type Figures, stack, toFigures } from "./figures.ts";

/** As often as it is counted. */
const EVERY_MS = 10_000;
const SPANS = [
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["24h", "1 day"],
] as const;
type Span = (typeof SPANS)[number][0];

export function Activity() {
  const search = useSearch();
  const within = (SPANS.find(([span]) => span === search.get("span"))?.[0] ?? "1h") as Span;
  const query = useQuery(
    `activity ${within}`,
    () => unwrap(client().GET("/v1/activity", { params: { query: { within } } })),
    { everyMs: EVERY_MS },
  );
  return (
    <Section
      title="Activity"
      aside={
        <Segments
          label="Period"
          value={within}
          options={SPANS}
          onChange={(span) => search.set({ span: span === "1h" ? undefined : span })}
        />
      }
    >
      <Answered of={query}>{({ step, items }) => <Charts step={step} figures={toFigures(items)} />}</Answered>
    </Section>
  );
}

const sum = (values: readonly number[]) =>
  values.reduce((total, value) => total + value, 0).toLocaleString("en-GB");
const most = (values: readonly (number | null)[]) => Math.max(0, ...values.map((value) => value ?? 0));

function Charts({ step, figures }: { step: string; figures: Figures }) {
  const { at, succeeded, failed, other, meanLateness, maxLateness, waiting, running } = figures;
  const per = step === "1m" ? "a minute" : `in ${step}`;
  return (
    <div class="charts">
      <Figure
        title={`Runs ${per}`}
        said={`${sum(succeeded)} succeeded, ${sum(failed)} failed, ${sum(other)} cancelled or skipped`}
      >
        <Chart
          label={`Ended runs ${per}, by outcome`}
          isBars
          at={at}
          series={[
            { label: "Other", color: "--bar-idle", values: stack(succeeded, failed, other), shown: other },
            { label: "Failed", color: "--bar-bad", values: stack(succeeded, failed), shown: failed },
            { label: "Succeeded", color: "--bar-good", values: succeeded },
          ]}
        />
      </Figure>
      <Figure title="Lateness" said={`at most ${formatDuration(most(maxLateness) * 1_000)}`}>
        <Chart
          label="How late runs began"
          unit=" s"
          at={at}
          series={[
            { label: "Latest", color: "--bar-warn", values: maxLateness },
            { label: "Mean", color: "--bar-busy", values: meanLateness },
          ]}
        />
      </Figure>
      <Figure
        title="Backlog"
        said={
          most(waiting) === 0 ? "nothing waited" : `at most ${most(waiting).toLocaleString("en-GB")} waited`
        }
      >
        <Chart
          label="Runs that were due and had not begun, and active runs"
          at={at}
          series={[
            { label: "Waiting", color: "--bar-warn", values: waiting },
            { label: "Running", color: "--bar-busy", values: running },
          ]}
        />
      </Figure>
      {may("operator") && <WorkersFigure figures={figures} />}
    </div>
  );
}

function WorkersFigure({ figures: { at, workers, slots, busySlots } }: { figures: Figures }) {
  return (
    <Figure
      title="Workers"
      said={`at most ${most(workers)}, ${most(busySlots)} of ${most(slots)} slots taken`}
    >
      <Chart
        label="Workers, and their taken slots"
        at={at}
        series={[
          { label: "Workers", color: "--bar-good", values: workers },
          { label: "Slots taken", color: "--bar-busy", values: busySlots },
        ]}
      />
    </Figure>
  );
}

interface FigureProps {
  title: string;
  /** The same in words. */
  said: string;
  children: ComponentChildren;
}

function Figure({ title, said, children }: FigureProps) {
  return (
    <figure class="card figure">
      <figcaption>
        <h3>{title}</h3>
        <span class="small muted">{said}</span>
      </figcaption>
      {children}
    </figure>
  );
}
