import { type Schemas, unwrap } from "../../client/client.ts";
import { Answered, Page } from "../components/page.tsx";
import { Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { formatBytes } from "../format/duration.ts";

type Usage = Schemas["Usage"];
type Name = Exclude<keyof Usage, "namespace">;

const EVERY_MS = 5_000;

const ROWS: readonly { name: Name; title: string; about: string }[] = [
  { name: "tasks", title: "Tasks", about: "that may still fire" },
  { name: "functions", title: "Functions", about: "that are deployed" },
  { name: "codeBytes", title: "Code", about: "of all revisions" },
  { name: "concurrentRuns", title: "Concurrent runs", about: "active, or to be completed later" },
  { name: "slotsShare", title: "Slots", about: "slots of all workers taken by its runs" },
  { name: "runsPerDay", title: "Runs per day", about: "created today, UTC" },
  { name: "storedBytes", title: "Stored", about: "of runs, logs and functions' keys, as last measured" },
  { name: "followers", title: "Streams", about: "open streams of logs and events" },
  { name: "requests", title: "Requests", about: "of this key, at this API" },
];

const show = (name: Name, value: number) =>
  name === "codeBytes" || name === "storedBytes" ? formatBytes(value) : value.toLocaleString("en-GB");

export function UsagePage() {
  const query = useQuery("usage", () => unwrap(client().GET("/v1/usage")), { everyMs: EVERY_MS });
  return (
    <Page title="Usage" about="This namespace's usage and limits.">
      <Answered of={query}>{(usage) => <UsageTable usage={usage} />}</Answered>
    </Page>
  );
}

function UsageTable({ usage }: { usage: Usage }) {
  return (
    <Table
      caption="Usage"
      rows={ROWS}
      keyOf={({ name }) => name}
      columns={[
        {
          title: "Limit",
          cell: ({ title, about }) => (
            <>
              <strong>{title}</strong>
              <span class="sub">{about}</span>
            </>
          ),
        },
        {
          title: "Used",
          isTight: true,
          isRight: true,
          cell: ({ name }) => <span class="number">{show(name, usage[name].used)}</span>,
        },
        {
          title: "Of",
          isTight: true,
          isRight: true,
          cell: ({ name }) => {
            const { limit } = usage[name];
            const per = name === "requests" && usage.requests.per ? ` in ${usage.requests.per}` : "";
            return limit === null ? <span class="muted">no limit</span> : `${show(name, limit)}${per}`;
          },
        },
        {
          title: "Share",
          cell: ({ name, title }) => {
            const { limit, used } = usage[name];
            return limit === null ? null : <progress aria-label={`${title} used`} max={limit} value={used} />;
          },
        },
        {
          title: "Resets",
          isTight: true,
          cell: ({ name }) => {
            const { resetsAt } = usage[name];
            return resetsAt ? <Time at={resetsAt} /> : null;
          },
        },
      ]}
    />
  );
}
