/** What needs somebody: each a link to where it is mended. */
import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Answered, Section } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { type FailingTask, findFailing } from "./figures.ts";

type Run = Schemas["Run"];

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
  const [dead, errors, paused, missed, skipped] = await Promise.all([
    unwrap(client().GET("/v1/dead-letters", { params: { query: { limit: PAGE } } })),
    unwrap(client().GET("/v1/errors", { params: { query: { state: ["open"], limit: PAGE } } })),
    unwrap(client().GET("/v1/tasks", { params: { query: { state: ["paused"], limit: PAGE } } })),
    unwrap(client().GET("/v1/runs", { params: { query: { expectation: "missed", from, limit: PAGE } } })),
    unwrap(client().GET("/v1/runs", { params: { query: { state: ["skipped"], from, limit: PAGE } } })),
  ]);
  const stopped = paused.items.filter(({ pausedReason }) => pausedReason === "failures");
  const needs = [
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
      one: "run late for what is expected",
      many: "runs late for what is expected",
      to: "/runs?expectation=missed",
    },
    { items: skipped.items, one: "run skipped today", many: "runs skipped today", to: "/runs?state=skipped" },
  ];
  return needs
    .filter(({ items }) => items.length > 0)
    .map(({ items, one, many, to }) => ({ text: count(items, one, many), to }));
}

const sayFailing = ({ name, failures, runs }: FailingTask) =>
  `${name} failed in ${failures} of its last ${runs} runs`;

export function Attention({ runs }: { runs: readonly Run[] }) {
  const query = useQuery("needs", readNeeds, {
    live: ({ type }) => /dead|failed|late|paused|skipped/.test(type),
    everyMs: 30_000,
  });
  const failing = findFailing(runs);
  return (
    <Section title="Needs attention">
      <Answered of={query}>
        {(needs) =>
          needs.length === 0 && failing.length === 0 ? (
            <p class="note" data-tone="good">
              Nothing: no failures, no dead letters, nothing late.
            </p>
          ) : (
            <ul class="card needs">
              {needs.map(({ text, to }) => (
                <li key={to}>
                  <Link href={to}>{text}</Link>
                </li>
              ))}
              {failing.map((task) => (
                <li key={task.taskId}>
                  <Link href={`/tasks/${task.taskId}`}>{sayFailing(task)}</Link>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Section>
  );
}
