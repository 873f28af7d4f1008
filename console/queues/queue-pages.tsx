import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button, LinkButton } from "../components/button.tsx";
import { Confirm, Dialog } from "../components/dialog.tsx";
import { Facts } from "../components/facts.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { RunList } from "../components/run-list.tsx";
import { Badge } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { QueueForm } from "./queue-form.tsx";
import { sayRate, sayWaits } from "./say-queue.ts";

type Queue = Schemas["Queue"];

/** Runs come and go without telling of their queue. */
const EVERY_MS = 2_000;

const number = (value: number) => <span class="number">{value.toLocaleString("en-GB")}</span>;

const COLUMNS: Column<Queue>[] = [
  {
    title: "Queue",
    cell: (queue) => (
      <>
        <Link href={`/queues/${queue.name}`}>{queue.name}</Link>
        <span class="sub">{sayWaits(queue) ?? "nothing waits"}</span>
      </>
    ),
  },
  {
    title: "State",
    isTight: true,
    cell: ({ paused }) => <Badge tone={paused ? "warn" : "good"}>{paused ? "paused" : "open"}</Badge>,
  },
  { title: "Running", isTight: true, isRight: true, cell: ({ running }) => number(running) },
  { title: "Waiting", isTight: true, isRight: true, cell: ({ waiting }) => number(waiting) },
  { title: "At once", isTight: true, isRight: true, cell: ({ concurrency }) => concurrency ?? "any" },
  { title: "Rate", isTight: true, cell: ({ rate }) => sayRate(rate) },
  {
    title: "Oldest",
    isTight: true,
    cell: ({ oldestWaitingAt }) =>
      oldestWaitingAt ? <Time at={oldestWaitingAt} /> : <span class="muted">none</span>,
  },
];

export function QueuesPage() {
  const [isMaking, setMaking] = useState(false);
  const [, go] = useLocation();
  const query = useQuery("queues", () => unwrap(client().GET("/v1/queues")), { everyMs: EVERY_MS });
  return (
    <Page
      title="Queues"
      about="Queues limit how many runs are active at once and how often they start, and can be paused."
      actions={
        may("write") && (
          <Button kind="primary" onClick={() => setMaking(true)}>
            New queue
          </Button>
        )
      }
    >
      <Answered of={query}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="There are no queues." />
          ) : (
            <Table caption="Queues" columns={COLUMNS} rows={items} keyOf={({ name }) => name} />
          )
        }
      </Answered>
      {isMaking && (
        <Dialog title="New queue" onClose={() => setMaking(false)}>
          <QueueForm onSaved={(name) => go(`/queues/${name}`)} onClose={() => setMaking(false)} />
        </Dialog>
      )}
    </Page>
  );
}

export function QueuePage({ name }: { name: string }) {
  const params = { path: { name } };
  const query = useQuery(`queue ${name}`, () => unwrap(client().GET("/v1/queues/{name}", { params })), {
    everyMs: EVERY_MS,
  });
  return (
    <Page
      title={name}
      within={["Queues", "/queues"]}
      about={query.data && <QueueState queue={query.data} />}
      actions={query.data && may("write") && <QueueActions queue={query.data} onChanged={query.reload} />}
    >
      <Answered of={query}>{(queue) => <QueueDetail queue={queue} />}</Answered>
    </Page>
  );
}

function QueueState({ queue: { paused, pausedUntil } }: { queue: Queue }) {
  if (!paused) return <Badge tone="good">open</Badge>;
  return (
    <>
      <Badge tone="warn">paused</Badge>{" "}
      {pausedUntil ? (
        <>
          until <Time at={pausedUntil} isExact />
        </>
      ) : (
        "until somebody resumes it"
      )}
    </>
  );
}

function QueueActions({ queue, onChanged }: { queue: Queue; onChanged: () => void }) {
  const { name, paused } = queue;
  const [isEditing, setEditing] = useState(false);
  const action = useAction();
  const [, go] = useLocation();
  const params = { path: { name } };
  const pause = () =>
    void action.run(async () => {
      await unwrap(client().POST("/v1/queues/{name}/pause", { params }));
      onChanged();
      return `${name} is paused: active runs finish, no new ones start.`;
    });
  const resume = () =>
    void action.run(async () => {
      await unwrap(client().POST("/v1/queues/{name}/resume", { params }));
      onChanged();
      return `${name} is resumed.`;
    });
  const remove = () =>
    action.run(async () => {
      await unwrap(client().DELETE("/v1/queues/{name}", { params }));
      go("/queues");
      return `${name} was deleted.`;
    });
  return (
    <>
      <Button kind="primary" onClick={paused ? resume : pause} disabled={action.isBusy}>
        {paused ? "Resume" : "Pause"}
      </Button>
      <Button onClick={() => setEditing(true)}>Change limits</Button>
      {name !== "default" && (
        <Confirm
          action="Delete"
          title={`Delete the queue ${name}?`}
          isBusy={action.isBusy}
          onConfirm={remove}
        >
          It must be empty, and no task may name it.
        </Confirm>
      )}
      {isEditing && (
        <Dialog title={`Limits of ${name}`} onClose={() => setEditing(false)}>
          <QueueForm
            queue={queue}
            onClose={() => setEditing(false)}
            onSaved={() => {
              setEditing(false);
              onChanged();
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function QueueDetail({ queue }: { queue: Queue }) {
  const { name, running, waiting, waitingFor, concurrency, rate, perKey, restOn429, oldestWaitingAt } = queue;
  const runs = useQuery(
    `queue runs ${name}`,
    () =>
      unwrap(
        client().GET("/v1/runs", {
          params: { query: { queue: name, state: ["running", "queued"], limit: 50 } },
        }),
      ),
    { everyMs: EVERY_MS },
  );
  return (
    <>
      <dl class="stats">
        <div>
          <dt>Running</dt>
          <dd>{running.toLocaleString("en-GB")}</dd>
        </div>
        <div>
          <dt>Waiting</dt>
          <dd>{waiting.toLocaleString("en-GB")}</dd>
        </div>
        <div>
          <dt>Oldest waiting</dt>
          <dd>
            <Time at={oldestWaitingAt} />
          </dd>
        </div>
      </dl>
      <div class="grid">
        <Section title="Limits">
          <Facts
            of={[
              ["At once", concurrency ?? "no limit"],
              ["Rate", sayRate(rate)],
              ["Concurrent runs per key", perKey?.concurrency ?? "any"],
              ["Rate per key", sayRate(perKey?.rate ?? null)],
              [
                "On a 429",
                restOn429 ? "the queue pauses for as long as the response says" : "the queue continues",
              ],
            ]}
          />
        </Section>
        <Section title="Waiting for">
          <Facts
            of={[
              ["Other runs to end", number(waitingFor.concurrency)],
              ["The rate", number(waitingFor.rate)],
              ["The pause to end", number(waitingFor.paused)],
              ["A worker", number(waitingFor.slot)],
            ]}
          />
        </Section>
      </div>
      <Section title="Active and waiting runs" aside={<Link href={`/runs?queue=${name}`}>All runs</Link>}>
        <Answered of={runs}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No runs are active or waiting here.">
                <LinkButton to={`/tasks?queue=${name}`}>Its tasks</LinkButton>
              </Empty>
            ) : (
              <RunList runs={items} />
            )
          }
        </Answered>
      </Section>
    </>
  );
}
