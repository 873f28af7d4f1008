import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Answered, Empty, Page } from "../components/page.tsx";
import { Badge } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";

type Worker = Schemas["Worker"];

const EVERY_MS = 2_000;

const COLUMNS: Column<Worker>[] = [
  {
    title: "Worker",
    cell: ({ id, host, pid }) => (
      <>
        <Link href={`/runs?worker=${id}`}>{host}</Link>
        <span class="sub mono">process {pid}</span>
      </>
    ),
  },
  {
    title: "State",
    isTight: true,
    cell: ({ draining }) => (
      <Badge tone={draining ? "warn" : "good"}>{draining ? "draining" : "working"}</Badge>
    ),
  },
  {
    title: "Slots",
    cell: ({ slots, free }) => (
      <>
        <meter aria-label="Slots taken" min={0} max={slots} value={slots - free} />{" "}
        <span class="number">
          {slots - free} of {slots} taken
        </span>
      </>
    ),
  },
  { title: "Hears by", isTight: true, cell: ({ receive }) => receive },
  { title: "Since", isTight: true, cell: ({ since }) => <Time at={since} /> },
];

export function WorkersPage() {
  const query = useQuery("workers", () => unwrap(client().GET("/v1/workers")), { everyMs: EVERY_MS });
  return (
    <Page
      title="Workers"
      about="The processes that execute runs. When there is nothing to do, there may be none."
    >
      <Answered of={query}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No workers are running.">
              <p>That is fine while nothing is due: one starts when something is.</p>
            </Empty>
          ) : (
            <Table caption="Workers" columns={COLUMNS} rows={items} keyOf={({ id }) => id} />
          )
        }
      </Answered>
    </Page>
  );
}
