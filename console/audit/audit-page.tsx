import { type Schemas, unwrap } from "../../client/client.ts";
import { toJson } from "../components/code.tsx";
import { TextField } from "../components/field.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

type Entry = Schemas["AuditEntry"];

const COLUMNS: Column<Entry>[] = [
  { title: "When", isTight: true, cell: ({ at }) => <Time at={at} /> },
  {
    title: "What",
    cell: ({ action, resource }) => (
      <>
        <strong>{action}</strong>
        <span class="sub mono">{resource}</span>
      </>
    ),
  },
  {
    title: "Who",
    cell: ({ actor: { name, address, kind } }) => (
      <>
        {name}
        <span class="sub">
          {kind === "setting" ? "a key of BELLHOP_API_KEY" : "a key"}
          {address && `, from ${address}`}
        </span>
      </>
    ),
  },
  {
    title: "Change",
    cell: ({ before, after }) =>
      before === null && after === null ? (
        <span class="muted">no visible changes</span>
      ) : (
        <details>
          <summary>{Object.keys({ ...before, ...after }).join(", ") || "show"}</summary>
          <pre class="code">{`− ${toJson(before)}\n+ ${toJson(after)}`}</pre>
        </details>
      ),
  },
];

export function AuditPage() {
  const search = useSearch();
  const filter = given({
    resource: search.get("resource"),
    action: search.get("action"),
    actor: search.get("actor"),
  });
  const cursor = search.get("cursor");
  const query = useQuery(
    `audit ${search.text}`,
    () =>
      unwrap(
        client().GET("/v1/audit", { params: { query: { ...filter, limit: 50, ...given({ cursor }) } } }),
      ),
    { live: ({ type }) => cursor === undefined && type.startsWith("bellhop.audit.") },
  );
  return (
    <Page title="Audit log" about="Who changed what. Entries are never changed.">
      <div class="filters">
        {(
          [
            ["resource", "Thing", "queues/mail"],
            ["action", "Action", "putQueue"],
            ["actor", "Key", "ci"],
          ] as const
        ).map(([name, label, placeholder]) => (
          <TextField
            key={name}
            {...{ label, placeholder }}
            type="search"
            value={filter[name] ?? ""}
            onInput={(value) => search.set({ [name]: value })}
          />
        ))}
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty
              title={Object.keys(filter).length > 0 ? "No entry matches." : "Nothing has been changed yet."}
            />
          ) : (
            <>
              <Table caption="Audit log" columns={COLUMNS} rows={items} keyOf={({ id }) => id} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}
