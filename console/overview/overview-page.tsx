/** What somebody wants to know first: whether it runs, and what needs them. */
import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { LinkButton } from "../components/button.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { RunList } from "../components/run-list.tsx";
import { Strip } from "../components/strip.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { Activity } from "./activity.tsx";
import { Attention } from "./attention.tsx";

const EVERY_MS = 3_000;
const SHOWN = 8;
const DAY_MS = 86_400_000;

export function OverviewPage() {
  const lastRuns = useQuery(
    "last runs",
    () => unwrap(client().GET("/v1/runs", { params: { query: { limit: SHOWN } } })),
    { live: ({ data }) => "runId" in data, everyMs: 30_000 },
  );
  return (
    <Page title="Overview" actions={may("write") && <LinkButton to="/tasks/new">New task</LinkButton>}>
      <Now />
      <Answered of={lastRuns}>
        {({ items }) =>
          items.length === 0 ? (
            <>
              <Begin />
              <Next />
            </>
          ) : (
            <>
              <Attention />
              <Activity />
              <Next />
              <Section title="Last runs" aside={<Link href="/runs">All runs</Link>}>
                <RunList runs={items} />
              </Section>
            </>
          )
        }
      </Answered>
    </Page>
  );
}

function Begin() {
  return (
    <Empty title="Nothing has run yet.">
      <p>Three steps to the first scheduled run: write a function, call it once, give it a schedule.</p>
      <div class="actions">
        {may("deploy") && (
          <LinkButton kind="primary" to="/functions/new">
            Write a function
          </LinkButton>
        )}
        {may("write") && <LinkButton to="/tasks/new">Create a task</LinkButton>}
      </div>
    </Empty>
  );
}

/** Backlog and workers as they are now. */
function Now() {
  const isOperator = may("operator");
  const query = useQuery(
    "now",
    async () => {
      const [queues, workers] = await Promise.all([
        unwrap(client().GET("/v1/queues")),
        isOperator ? unwrap(client().GET("/v1/workers")) : undefined,
      ]);
      return { queues: queues.items, workers: workers?.items };
    },
    { everyMs: EVERY_MS },
  );
  const sum = (of: (queue: Schemas["Queue"]) => number) =>
    query.data?.queues.reduce((total, queue) => total + of(queue), 0).toLocaleString("en-GB") ?? "…";
  const workers = query.data?.workers;
  const slots = workers?.reduce((total, worker) => total + worker.slots, 0) ?? 0;
  const free = workers?.reduce((total, worker) => total + worker.free, 0) ?? 0;
  return (
    <dl class="stats">
      <div>
        <dt>Running</dt>
        <dd>{sum(({ running }) => running)}</dd>
      </div>
      <div>
        <dt>Waiting</dt>
        <dd>{sum(({ waiting }) => waiting)}</dd>
      </div>
      <div>
        <dt>Queues paused</dt>
        <dd>{query.data?.queues.filter(({ paused }) => paused).length ?? "…"}</dd>
      </div>
      {isOperator && (
        <div>
          <dt>
            <Link href="/workers">Workers</Link>
          </dt>
          <dd>
            {workers?.length ?? "…"}{" "}
            {slots > 0 && (
              <small>
                {slots - free} of {slots} slots taken
              </small>
            )}
          </dd>
        </div>
      )}
    </dl>
  );
}

/** How densely tasks fire within a day. */
function Next() {
  const query = useQuery(
    "density",
    () => unwrap(client().GET("/v1/upcoming/density", { params: { query: { within: "24h" } } })),
    { everyMs: 60_000 },
  );
  return (
    <Answered of={query}>
      {({ items, estimated }) => {
        const counts = items.map(({ count }) => count);
        const total = counts.reduce((sum, count) => sum + count, 0).toLocaleString("en-GB");
        return (
          <Section title="Next 24 hours" aside={`${estimated ? "about " : ""}${total} instants`}>
            {total === "0" ? (
              <p class="muted">Nothing is due.</p>
            ) : (
              <Strip counts={counts} from={new Date(items[0]!.at)} spanMs={DAY_MS} />
            )}
          </Section>
        );
      }}
    </Answered>
  );
}
