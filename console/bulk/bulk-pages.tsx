import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Json } from "../components/code.tsx";
import { Confirm } from "../components/dialog.tsx";
import { Facts } from "../components/facts.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { State } from "../components/state.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Elapsed, Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

type Bulk = Schemas["BulkAction"];

/** No event tells of its progress. */
const WHILE_RUNNING_MS = 1_000;

const COLUMNS: Column<Bulk>[] = [
  {
    title: "Action",
    cell: ({ id, action, resource }) => <Link href={`/bulk/${id}`}>{nameOf({ action, resource })}</Link>,
  },
  { title: "State", isTight: true, cell: ({ state }) => <State of={state} /> },
  {
    title: "Done",
    isTight: true,
    isRight: true,
    cell: ({ done, matched }) => <Share {...{ done, matched }} />,
  },
  {
    title: "Failed",
    isTight: true,
    isRight: true,
    cell: ({ failed }) => <span class="number">{failed}</span>,
  },
  { title: "Begun", isTight: true, cell: ({ createdAt }) => <Time at={createdAt} /> },
];

/** `Resume tasks`. */
function nameOf({ action, resource }: Pick<Bulk, "action" | "resource">): string {
  const name = `${action} ${resource}`;
  return name[0]!.toUpperCase() + name.slice(1);
}

const Share = ({ done, matched }: Pick<Bulk, "done" | "matched">) => (
  <span class="number">
    {done.toLocaleString("en-GB")} of {matched.toLocaleString("en-GB")}
  </span>
);

export function BulkListPage() {
  const search = useSearch();
  const cursor = search.get("cursor");
  const query = useQuery(
    `bulk ${cursor}`,
    () => unwrap(client().GET("/v1/bulk", { params: { query: { limit: 50, ...given({ cursor }) } } })),
    { everyMs: 5_000 },
  );
  return (
    <Page title="Bulk actions" about="Changes of many tasks or runs at once, with their progress.">
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title="There is no bulk action yet.">
              <p>Start one from the list of tasks or runs, for everything that matches the filter.</p>
            </Empty>
          ) : (
            <>
              <Table caption="Bulk actions" columns={COLUMNS} rows={items} keyOf={({ id }) => id} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}

export function BulkPage({ id }: { id: string }) {
  const params = { path: { id } };
  const query = useQuery(`bulk ${id}`, () => unwrap(client().GET("/v1/bulk/{id}", { params })), {
    everyMs: WHILE_RUNNING_MS,
  });
  const action = useAction();
  const bulk = query.data;
  const abort = () =>
    action.run(async () => {
      await unwrap(client().POST("/v1/bulk/{id}/abort", { params }));
      query.reload();
      return bulk?.action === "erase" ? "It finishes what it has begun, then stops." : "It was aborted.";
    });
  return (
    <Page
      title={bulk ? nameOf(bulk) : "Bulk action"}
      within={["Bulk actions", "/bulk"]}
      about={bulk && <State of={bulk.state} />}
      actions={
        bulk?.state === "running" &&
        may("write") && (
          <Confirm action="Abort" title="Abort this bulk action?" isBusy={action.isBusy} onConfirm={abort}>
            What is done stays done; the rest stays as it is.
          </Confirm>
        )
      }
    >
      <Answered of={query}>{(found) => <BulkDetail bulk={found} />}</Answered>
    </Page>
  );
}

function BulkDetail({ bulk }: { bulk: Bulk }) {
  const { done, failed, matched, failures, error, receipt } = bulk;
  return (
    <>
      <section class="card section">
        <p>
          <strong>
            <Share {...{ done, matched }} />
          </strong>{" "}
          done{failed > 0 && `, ${failed} failed`}
        </p>
        <progress aria-label="Progress" max={Math.max(1, matched)} value={done + failed} />
      </section>
      {error && <p class="problem">{`${error.code}: ${error.message}`}</p>}
      <div class="grid">
        <Section title="Facts">
          <Facts
            of={[
              ["Begun", <Time key="begun" at={bulk.createdAt} isExact />],
              ["Took", <Elapsed key="took" from={bulk.createdAt} to={bulk.finishedAt} />],
              ["Id", <code key="id">{bulk.id}</code>],
            ]}
          />
        </Section>
        <Section title="Filter">
          <Json label="Filter" value={bulk.filter} />
        </Section>
      </div>
      {receipt && (
        <Section title="Receipt: what was removed">
          <Facts of={Object.entries(receipt).map(([kind, count]) => [kind, String(count)])} />
        </Section>
      )}
      {failures.length > 0 && (
        <Section title="What failed">
          <Table
            caption="Failures"
            rows={failures}
            keyOf={({ id }) => id}
            columns={[
              { title: "Thing", cell: ({ id }) => <Link href={`/${bulk.resource}/${id}`}>{id}</Link> },
              { title: "Why", cell: ({ code, message }) => `${code}: ${message}` },
            ]}
          />
        </Section>
      )}
    </>
  );
}
