import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Json } from "../components/code.tsx";
import { Facts } from "../components/facts.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { RunBars } from "../components/run-bars.tsx";
import { RunList } from "../components/run-list.tsx";
import { State } from "../components/state.tsx";
import { Tabs } from "../components/tabs.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { useSearch } from "../data/use-search.ts";
import { EditTab } from "./edit-tab.tsx";
import { HistoryTab } from "./history-tab.tsx";
import { InstantStrip } from "./instant-strip.tsx";
import { nameOf, targetOf } from "./say-task.ts";
import { Instants } from "./schedule-preview.tsx";
import type { Task } from "./task.ts";
import { TaskActions } from "./task-actions.tsx";

const TABS = [
  ["runs", "Runs"],
  ["definition", "Definition"],
  ["edit", "Edit"],
  ["history", "History"],
] as const;

export function TaskPage({ id }: { id: string }) {
  const search = useSearch();
  const [, go] = useLocation();
  const tab = search.get("tab") ?? "runs";
  const query = useQuery(
    `task ${id}`,
    () => unwrap(client().GET("/v1/tasks/{id}", { params: { path: { id } } })),
    {
      live: ({ data }) => "taskId" in data && data.taskId === id,
    },
  );
  const task = query.data;
  return (
    <Page
      title={task ? nameOf(task) : "Task"}
      within={["Tasks", "/tasks"]}
      about={
        task && (
          <>
            <State of={task.state} /> {targetOf(task)}
          </>
        )
      }
      actions={task && <TaskActions task={task} onChanged={query.reload} onGone={() => go("/tasks")} />}
    >
      <Answered of={query}>
        {(found) => (
          <>
            {found.state === "paused" && (
              <p class="note">
                {found.pausedReason === "failures"
                  ? "The task was paused because its runs kept failing. Check the failures, then resume it."
                  : "The task is paused: nothing is due until it is resumed."}
              </p>
            )}
            {found.scheduleError && <p class="problem">{found.scheduleError}</p>}
            <When task={found} />
            <Tabs of={may("write") ? TABS : TABS.filter(([each]) => each !== "edit")} at={tab} />
            {tab === "runs" && <RunsTab id={found.id} />}
            {tab === "definition" && <DefinitionTab task={found} />}
            {tab === "edit" && <EditTab key={found.updatedAt} task={found} onChanged={query.reload} />}
            {tab === "history" && <HistoryTab id={found.id} />}
          </>
        )}
      </Answered>
    </Page>
  );
}

const SHOWN = 5;
const ON_STRIP = 50;

const OVERLAPS: Record<Task["overlap"], string> = {
  ...{ skip: "the instant is skipped", wait: "the run waits", allow: "both run" },
  "cancel-previous": "the previous one is cancelled",
};
const CATCH_UPS: Record<NonNullable<Task["catchUp"]>["policy"], string> = {
  ...{ latest: "only the latest is run", all: "all are run", none: "none is run" },
};

/** The schedule in plain words, and when it fires next. */
function When({ task: { id, schedule, updatedAt, state, overlap, catchUp } }: { task: Task }) {
  const [isLong, setLong] = useState(false);
  const words = useQuery(`words ${JSON.stringify(schedule)}`, async () =>
    schedule
      ? await unwrap(
          client().POST("/v1/schedules/preview", { body: { schedule: schedule as never, count: 1 } }),
        )
      : undefined,
  );
  const next = useQuery(`next ${id} ${updatedAt} ${state}`, () =>
    unwrap(client().GET("/v1/tasks/{id}/next", { params: { path: { id }, query: { count: ON_STRIP } } })),
  );
  if (!schedule)
    return <p class="muted">It has no schedule: it runs when it is created, and when somebody runs it.</p>;
  return (
    <section class="card section">
      <strong>{words.data?.description ?? "…"}</strong>
      <Answered of={next}>
        {({ items }) => (
          <>
            <Instants items={isLong ? items : items.slice(0, SHOWN)} />
            <InstantStrip items={items} />
            <p class="muted small">
              While the run before is under way: {OVERLAPS[overlap]}
              {catchUp && `; of missed instants ${CATCH_UPS[catchUp.policy]}`}.{" "}
              {items.length > SHOWN && !isLong && (
                <Button kind="plain" onClick={() => setLong(true)}>
                  {`Show ${items.length} instants`}
                </Button>
              )}
            </p>
          </>
        )}
      </Answered>
    </section>
  );
}

function RunsTab({ id }: { id: string }) {
  const query = useQuery(
    `task runs ${id}`,
    () => unwrap(client().GET("/v1/tasks/{id}/runs", { params: { path: { id }, query: { limit: 60 } } })),
    { live: ({ data }) => "taskId" in data && data.taskId === id },
  );
  return (
    <Answered of={query}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title="This task has not run yet.">
            <p>Its runs will appear here.</p>
          </Empty>
        ) : (
          <Section title="Last 60 runs" aside={<Link href={`/runs?taskId=${id}`}>All runs</Link>}>
            <RunBars runs={items} />
            <RunList runs={items} />
          </Section>
        )
      }
    </Answered>
  );
}

const DERIVED = new Set(["id", "state", "nextRunAt", "createdAt", "updatedAt", "pausedAt", "pausedReason"]);

function DefinitionTab({ task }: { task: Task }) {
  const defined = Object.fromEntries(
    Object.entries(task).filter(([name, value]) => !DERIVED.has(name) && value !== null),
  );
  return (
    <div class="split">
      <Json label="Definition" value={defined} />
      <Facts
        of={[
          ["Overlap", task.overlap],
          [
            "Catch-up",
            task.catchUp ? `${task.catchUp.policy}, ${task.catchUp.max} at most` : "does not apply",
          ],
          ["Attempts", `${task.retry.maxAttempts} at most`],
          ["Timeout", task.timeout],
          ["Dead letter", task.deadLetter ? "kept when the last attempt fails" : "none"],
          [
            "Queue",
            <Link key="queue" href={`/queues/${task.queue}`}>
              {task.queue}
            </Link>,
          ],
          ["Priority", task.priority],
          ["Made", <Time key="made" at={task.createdAt} isExact />],
          ["Changed", <Time key="changed" at={task.updatedAt} isExact />],
          ["Id", <code key="id">{task.id}</code>],
        ]}
      />
    </div>
  );
}
