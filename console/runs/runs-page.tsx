import { type Schemas, unwrap } from "../../client/client.ts";
import { BulkOffer } from "../bulk/bulk-offer.tsx";
import { ChoiceField, TextField } from "../components/field.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { RunList } from "../components/run-list.tsx";
import { Pager } from "../components/table.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

type RunState = Schemas["Run"]["state"];

const STATES: readonly (readonly [RunState | "", string])[] = [
  ["", "any"],
  ["queued", "queued"],
  ["running", "running"],
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["dead", "dead letter"],
  ["scheduled", "scheduled"],
  ["cancelled", "cancelled"],
  ["skipped", "skipped"],
  ["expired", "expired"],
];

export function RunsPage() {
  const search = useSearch();
  const filter = given({
    state: search.get("state") as RunState | undefined,
    function: search.get("function"),
    queue: search.get("queue"),
    errorCode: search.get("errorCode"),
    taskId: search.get("taskId"),
    expectation: search.get("expectation") as "missed" | undefined,
    from: search.get("from"),
  });
  const cursor = search.get("cursor");
  const query = useQuery(
    `runs ${search.text}`,
    () =>
      unwrap(
        client().GET("/v1/runs", {
          params: { query: { ...asQuery(filter), limit: 50, ...given({ cursor }) } },
        }),
      ),
    { live: ({ data }) => cursor === undefined && "runId" in data },
  );
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Runs"
      about="All past, active and upcoming runs, newest first."
      actions={
        may("write") && (
          <BulkOffer
            resource="runs"
            filter={filter}
            isAll={!isFiltered}
            actions={["cancel", "replay", "redrive", "discard"]}
          />
        )
      }
    >
      <div class="filters">
        <ChoiceField
          label="State"
          value={(filter["state"] ?? "") as RunState | ""}
          options={STATES}
          onChange={(state) => search.set({ state })}
        />
        {(
          [
            ["function", "Function"],
            ["queue", "Queue"],
            ["errorCode", "Error code"],
          ] as const
        ).map(([name, label]) => (
          <TextField
            key={name}
            label={label}
            type="search"
            value={filter[name] ?? ""}
            onInput={(value) => search.set({ [name]: value })}
          />
        ))}
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title={isFiltered ? "No run matches." : "Nothing has run yet."}>
              <p>{isFiltered ? "Relax the filter above." : "Invoke a function, or give one a schedule."}</p>
            </Empty>
          ) : (
            <>
              <RunList runs={items} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}

/** A list of states, as the API has it. */
export function asQuery({ state, ...rest }: Record<string, string>) {
  return { ...rest, ...(state !== undefined && { state: [state as RunState] }) };
}
