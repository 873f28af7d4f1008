import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { LinkButton } from "../components/button.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { Badge } from "../components/state.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

type Fn = Schemas["Function"];

const COLUMNS: Column<Fn>[] = [
  {
    title: "Function",
    cell: ({ name, revision }) => (
      <>
        <Link href={`/functions/${name}`}>{name}</Link>
        <span class="sub">{revision.entry}</span>
      </>
    ),
  },
  { title: "Traffic", cell: ({ traffic, revision }) => <Traffic of={traffic} leading={revision} /> },
  {
    title: "Calls",
    isTight: true,
    cell: (fn) => (fn.public ? <Badge tone="warn">public</Badge> : <Badge>by key</Badge>),
  },
  { title: "Changed", isTight: true, cell: ({ updatedAt }) => <Time at={updatedAt} /> },
];

/** `revision 3`, or how calls are split. */
export function Traffic({
  of: traffic,
  leading,
}: {
  of: Record<string, number>;
  leading: Schemas["Revision"];
}) {
  const shares = Object.entries(traffic);
  if (shares.length === 0) return <span class="muted">none</span>;
  if (shares.length === 1) return <span>revision {leading.number}</span>;
  return (
    <span>
      revision {leading.number} ({traffic[leading.id]} %) and {shares.length - 1} more
    </span>
  );
}

export function FunctionsPage() {
  const search = useSearch();
  const cursor = search.get("cursor");
  const query = useQuery(`functions ${cursor}`, () =>
    unwrap(client().GET("/v1/functions", { params: { query: given({ limit: 50, cursor }) } })),
  );
  return (
    <Page
      title="Functions"
      about="TypeScript that Bellhop builds, stores as revisions and runs in a sandbox."
      actions={
        may("deploy") && (
          <LinkButton kind="primary" to="/functions/new">
            New function
          </LinkButton>
        )
      }
    >
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title="No function is deployed yet.">
              <p>Write one here: it is built, deployed and ready to call in about a second.</p>
              {may("deploy") && (
                <LinkButton kind="primary" to="/functions/new">
                  Write a function
                </LinkButton>
              )}
            </Empty>
          ) : (
            <>
              <Table caption="Functions" columns={COLUMNS} rows={items} keyOf={({ name }) => name} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}
