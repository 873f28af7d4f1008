import { Link } from "wouter-preact";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button, LinkButton } from "../components/button.tsx";
import { ChoiceField, TextField } from "../components/field.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { Sparkline } from "../components/sparkline.tsx";
import { State } from "../components/state.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

type Group = Schemas["ErrorGroup"];

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

const STATES = [
  ["open", "open"],
  ["resolved", "resolved"],
  ["ignored", "ignored"],
] as const;

export function ErrorsPage() {
  const search = useSearch();
  const state = (search.get("state") ?? "open") as Group["state"];
  const filter = given({ function: search.get("function"), taskId: search.get("taskId") });
  const cursor = search.get("cursor");
  const query = useQuery(
    `errors ${search.text}`,
    () =>
      unwrap(
        client().GET("/v1/errors", {
          params: { query: { ...filter, state: [state], limit: 50, ...given({ cursor }) } },
        }),
      ),
    { live: ({ type }) => type === "bellhop.run.failed" || type === "bellhop.run.dead" },
  );
  const columns: Column<Group>[] = [
    {
      title: "Error",
      cell: ({ code, message, sampleRunIds: [sample] }) => (
        <>
          {sample ? <Link href={`/runs/${sample}`}>{message}</Link> : message}
          <span class="sub mono">{code}</span>
        </>
      ),
    },
    { title: "State", isTight: true, cell: (group) => <State of={group.state} /> },
    {
      title: "Seen",
      isTight: true,
      isRight: true,
      cell: ({ count }) => <span class="number">{count.toLocaleString("en-GB")}</span>,
    },
    {
      title: "Last day",
      isTight: true,
      cell: ({ lastDay }) => (
        <Sparkline counts={lastDay} label={`${sum(lastDay).toLocaleString("en-GB")} in the last 24 hours`} />
      ),
    },
    { title: "First", isTight: true, cell: ({ firstSeenAt }) => <Time at={firstSeenAt} /> },
    { title: "Last", isTight: true, cell: ({ lastSeenAt }) => <Time at={lastSeenAt} /> },
    {
      title: "Actions",
      isUntitled: true,
      isTight: true,
      cell: (group) => may("write") && <GroupActions group={group} onChanged={query.reload} />,
    },
  ];
  return (
    <Page
      title="Errors"
      about="Similar failures count as one error. A resolved error opens again if it recurs."
    >
      <div class="filters">
        <ChoiceField
          label="State"
          value={state}
          options={STATES}
          onChange={(next) => search.set({ state: next === "open" ? undefined : next })}
        />
        <TextField
          label="Function"
          type="search"
          value={filter["function"] ?? ""}
          onInput={(value) => search.set({ function: value })}
        />
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title={`No ${state} error.`}>
              {state === "open" && <p>There are no unreviewed failures.</p>}
            </Empty>
          ) : (
            <>
              <Table
                caption="Errors"
                columns={columns}
                rows={items}
                keyOf={({ fingerprint }) => fingerprint}
              />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}

function GroupActions({
  group: { fingerprint, state, code },
  onChanged,
}: {
  group: Group;
  onChanged: () => void;
}) {
  const action = useAction();
  const params = { path: { fingerprint } };
  const resolve = () =>
    void action.run(async () => {
      await unwrap(client().POST("/v1/errors/{fingerprint}/resolve", { params }));
      onChanged();
      return "The error is resolved.";
    });
  const ignore = () =>
    void action.run(async () => {
      await unwrap(client().POST("/v1/errors/{fingerprint}/ignore", { params }));
      onChanged();
      return "The error is ignored.";
    });
  return (
    <div class="actions">
      {state !== "resolved" && (
        <Button onClick={resolve} disabled={action.isBusy}>
          Resolve
        </Button>
      )}
      {state !== "ignored" && (
        <Button kind="plain" onClick={ignore} disabled={action.isBusy}>
          Ignore
        </Button>
      )}
      <LinkButton kind="plain" to={`/dead-letters?errorCode=${encodeURIComponent(code)}`}>
        Dead letters
      </LinkButton>
    </div>
  );
}
