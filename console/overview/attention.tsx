/** What needs somebody: each a link to where it is mended. */
import { Link } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { Answered, Section } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { formatDuration } from "../format/duration.ts";
import { findFailing, findLate } from "./figures.ts";

const PAGE = 100;
const DAY_MS = 86_400_000;

interface Need {
  text: string;
  to: string;
}

/** `3 dead letters`; `100 or more` where a page holds no more. */
const count = (items: readonly unknown[], one: string, many: string) =>
  `${items.length}${items.length === PAGE ? " or more" : ""} ${items.length === 1 ? one : many}`;

async function readNeeds(): Promise<Need[]> {
  const from = new Date(Date.now() - DAY_MS).toISOString();
  const listRuns = (query: object) =>
    unwrap(client().GET("/v1/runs", { params: { query: { ...query, from, limit: PAGE } } }));
  const [failed, dead, errors, paused, missed, skipped, queues] = await Promise.all([
    listRuns({ state: ["failed", "dead"] }),
    unwrap(client().GET("/v1/dead-letters", { params: { query: { limit: PAGE } } })),
    unwrap(client().GET("/v1/errors", { params: { query: { state: ["open"], limit: PAGE } } })),
    unwrap(client().GET("/v1/tasks", { params: { query: { state: ["paused"], limit: PAGE } } })),
    listRuns({ expectation: "missed" }),
    listRuns({ state: ["skipped"] }),
    unwrap(client().GET("/v1/queues")),
  ]);
  const stopped = paused.items.filter(({ pausedReason }) => pausedReason === "failures");
  const counted = [
    { items: dead.items, one: "dead letter", many: "dead letters", to: "/dead-letters" },
    { items: errors.items, one: "open error", many: "open errors", to: "/errors" },
    {
      items: stopped,
      one: "task paused after failures",
      many: "tasks paused after failures",
      to: "/tasks?state=paused",
    },
    {
      items: missed.items,
      one: "run missed its expectation",
      many: "runs missed their expectations",
      to: "/runs?expectation=missed",
    },
    {
      items: skipped.items,
      one: "run skipped in the last day",
      many: "runs skipped in the last day",
      to: "/runs?state=skipped",
    },
  ];
  return [
    ...counted
      .filter(({ items }) => items.length > 0)
      .map(({ items, one, many, to }) => ({ text: count(items, one, many), to })),
    ...findLate(queues.items, new Date()).map(({ name, waiting, oldestWaitingAt }) => ({
      text: `${waiting.toLocaleString("en-GB")} runs wait in the queue ${name}, the oldest since ${formatAgo(oldestWaitingAt!)}`,
      to: `/queues/${name}`,
    })),
    ...findFailing(failed.items).map(({ taskId, name, failures }) => ({
      text: `${name} failed ${failures === 1 ? "once" : `${failures} times`} in the last day`,
      to: `/tasks/${taskId}`,
    })),
  ];
}

const formatAgo = (at: string) => formatDuration(Date.now() - Date.parse(at));

export function Attention() {
  const query = useQuery("needs", readNeeds, {
    live: ({ type }) => /dead|failed|late|paused|skipped/.test(type),
    everyMs: 30_000,
  });
  return (
    <Section title="Needs attention">
      <Answered of={query}>
        {(needs) =>
          needs.length === 0 ? (
            <p class="note" data-tone="good">
              Nothing: no failures, no dead letters, nothing late.
            </p>
          ) : (
            <ul class="card needs">
              {needs.map(({ text, to }) => (
                <li key={text}>
                  <Link href={to}>{text}</Link>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Section>
  );
}
