import { unwrap } from "../../client/client.ts";
import { Changes } from "../components/changes.tsx";
import { Answered, Empty } from "../components/page.tsx";
import { Pager } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

export function HistoryTab({ id }: { id: string }) {
  const search = useSearch();
  const cursor = search.get("cursor");
  const query = useQuery(
    `changes ${id} ${cursor}`,
    () =>
      unwrap(
        client().GET("/v1/tasks/{id}/changes", {
          params: { path: { id }, query: { limit: 20, ...given({ cursor }) } },
        }),
      ),
    { live: ({ data, type }) => "taskId" in data && data.taskId === id && type.startsWith("bellhop.task.") },
  );
  return (
    <Answered of={query}>
      {({ items, nextCursor }) =>
        items.length === 0 ? (
          <Empty title="Nothing has been recorded." />
        ) : (
          <>
            <ol class="section">
              {items.map(({ id: changeId, change, at, by, reason, diff }) => (
                <li key={changeId} class="card section">
                  <p>
                    <strong>{change}</strong> <Time at={at} isExact />
                    <span class="muted">
                      {by ? `, by the key ${by.name}` : ", by the scheduler"}
                      {reason === "failures" && ", because its runs failed"}
                    </span>
                  </p>
                  {diff.length > 0 && <Changes of={diff} />}
                </li>
              ))}
            </ol>
            <Pager search={search} nextCursor={nextCursor} />
          </>
        )
      }
    </Answered>
  );
}
