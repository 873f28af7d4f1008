import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { BulkOffer } from "../bulk/bulk-offer.tsx";
import { LinkButton } from "../components/button.tsx";
import { ChoiceField, TextField } from "../components/field.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { State } from "../components/state.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";
import { nameOf, saySchedule, targetOf } from "./say-task.ts";

type Task = Schemas["Task"];

const STATES: readonly (readonly [Task["state"] | "", string])[] = [
  ["", "any"],
  ["active", "active"],
  ["paused", "paused"],
  ["completed", "completed"],
  ["cancelled", "cancelled"],
];

const TYPES: readonly (readonly [Task["type"] | "", string])[] = [
  ["", "any"],
  ["function", "function"],
  ["http", "http"],
  ["email", "e-mail"],
];

const COLUMNS: Column<Task>[] = [
  {
    title: "Task",
    cell: (task) => (
      <>
        <Link href={`/tasks/${task.id}`}>{nameOf(task)}</Link>
        <span class="sub">{targetOf(task)}</span>
      </>
    ),
  },
  { title: "Schedule", cell: ({ schedule }) => saySchedule(schedule) },
  { title: "State", isTight: true, cell: ({ state }) => <State of={state} /> },
  {
    title: "Next run",
    isTight: true,
    cell: ({ nextRunAt, state }) =>
      nextRunAt && state === "active" ? <Time at={nextRunAt} /> : <span class="muted">none</span>,
  },
];

const SEARCH_AFTER_MS = 200;

export function TasksPage() {
  const search = useSearch();
  const filter = given({
    state: search.get("state") as Task["state"] | undefined,
    type: search.get("type"),
    q: search.get("q"),
    label: search.get("label"),
    queue: search.get("queue"),
    function: search.get("function"),
  });
  const cursor = search.get("cursor");
  const { state, label, ...rest } = filter;
  const query = useQuery(
    `tasks ${search.text}`,
    () =>
      unwrap(
        client().GET("/v1/tasks", {
          params: {
            query: {
              ...(rest as { q?: string }),
              ...(state && { state: [state as Task["state"]] }),
              ...(label?.includes("=") && { label: [label] }),
              ...{ limit: 50, ...given({ cursor }) },
            },
          },
        }),
      ),
    { live: ({ type }) => cursor === undefined && type.startsWith("bellhop.task.") },
  );
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Tasks"
      about="What runs, and when."
      actions={
        may("write") && (
          <>
            <BulkOffer
              resource="tasks"
              filter={filter}
              isAll={!isFiltered}
              actions={["pause", "resume", "run", "cancel", "delete"]}
            />
            <LinkButton kind="primary" to="/tasks/new">
              New task
            </LinkButton>
          </>
        )
      }
    >
      <div class="filters">
        <SearchField value={filter["q"] ?? ""} onSearch={(q) => search.set({ q })} />
        <ChoiceField
          label="State"
          value={(state ?? "") as Task["state"] | ""}
          options={STATES}
          onChange={(next) => search.set({ state: next })}
        />
        <ChoiceField
          label="Type"
          value={(filter["type"] ?? "") as Task["type"] | ""}
          options={TYPES}
          onChange={(next) => search.set({ type: next })}
        />
        <TextField
          label="Label"
          type="search"
          placeholder="team=billing"
          value={label ?? ""}
          onInput={(next) => search.set({ label: next })}
        />
        <TextField
          label="Queue"
          type="search"
          value={filter["queue"] ?? ""}
          onInput={(next) => search.set({ queue: next })}
        />
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title={isFiltered ? "No task matches." : "There are no tasks yet."}>
              <p>
                {isFiltered
                  ? "Relax the filter above."
                  : "A task runs a function, calls a URL or sends an e-mail, once or on a schedule."}
              </p>
              {!isFiltered && may("write") && (
                <LinkButton kind="primary" to="/tasks/new">
                  Create a task
                </LinkButton>
              )}
            </Empty>
          ) : (
            <>
              <Table caption="Tasks" columns={COLUMNS} rows={items} keyOf={({ id }) => id} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}

/** The address follows once the typing rests. */
function SearchField({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [timer, setTimer] = useState<ReturnType<typeof setTimeout>>();
  return (
    <TextField
      label="Name"
      type="search"
      value={typed}
      onInput={(next) => {
        setTyped(next);
        clearTimeout(timer);
        setTimer(setTimeout(() => onSearch(next.trim()), SEARCH_AFTER_MS));
      }}
    />
  );
}
