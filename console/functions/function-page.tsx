import { Link } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { LinkButton } from "../components/button.tsx";
import { Answered, Empty, Page, Section } from "../components/page.tsx";
import { RunBars } from "../components/run-bars.tsx";
import { RunList } from "../components/run-list.tsx";
import { Tabs } from "../components/tabs.tsx";
import { may } from "../data/may.ts";
import { client, useQuery } from "../data/use-query.ts";
import { useSearch } from "../data/use-search.ts";
import { CodeTab } from "./code-tab.tsx";
import { FunctionFigures } from "./figures.tsx";
import { Traffic } from "./functions-page.tsx";
import { InvokeTab } from "./invoke-tab.tsx";
import { LogsTab } from "./logs-tab.tsx";
import { RevisionsTab } from "./revisions-tab.tsx";
import { SettingsTab } from "./settings-tab.tsx";

const TABS = [
  ["code", "Code"],
  ["invoke", "Invoke"],
  ["runs", "Runs"],
  ["logs", "Logs"],
  ["revisions", "Revisions and traffic"],
  ["settings", "Settings"],
] as const;

export function FunctionPage({ name }: { name: string }) {
  const search = useSearch();
  const tab = search.get("tab") ?? "code";
  const query = useQuery(`function ${name}`, () =>
    unwrap(client().GET("/v1/functions/{name}", { params: { path: { name } } })),
  );
  return (
    <Page
      title={name}
      within={["Functions", "/functions"]}
      about={query.data && <Traffic of={query.data.traffic} leading={query.data.revision} />}
      actions={may("write") && <LinkButton to={`/tasks/new?function=${name}`}>Schedule it</LinkButton>}
    >
      <Answered of={query}>
        {(fn) => (
          <>
            <Tabs of={TABS} at={tab} />
            {tab === "code" && <CodeTab key={fn.revision.id} fn={fn} onDeployed={query.reload} />}
            {tab === "invoke" && <InvokeTab fn={fn} />}
            {tab === "runs" && <RunsTab name={name} />}
            {tab === "logs" && <LogsTab name={name} />}
            {tab === "revisions" && <RevisionsTab fn={fn} onChanged={query.reload} />}
            {tab === "settings" && <SettingsTab fn={fn} onChanged={query.reload} />}
          </>
        )}
      </Answered>
    </Page>
  );
}

function RunsTab({ name }: { name: string }) {
  const query = useQuery(
    `function runs ${name}`,
    () => unwrap(client().GET("/v1/runs", { params: { query: { function: name, limit: 50 } } })),
    { live: ({ data }) => "function" in data && data.function === name },
  );
  return (
    <Answered of={query}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title="This function has not run yet.">
            <LinkButton to={`/functions/${name}?tab=invoke`}>Invoke it</LinkButton>
          </Empty>
        ) : (
          <>
            <FunctionFigures name={name} />
            <Section title="Last 50 runs" aside={<Link href={`/runs?function=${name}`}>All runs</Link>}>
              <RunBars runs={items} />
              <RunList runs={items} />
            </Section>
          </>
        )
      }
    </Answered>
  );
}
