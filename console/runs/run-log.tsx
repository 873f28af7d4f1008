/** The log of one run, live while it runs. */
import { Link } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { ChoiceField, TextField } from "../components/field.tsx";
import { LEVELS, type Level } from "../components/log-levels.ts";
import { LogLines } from "../components/log-lines.tsx";
import { Answered, Section } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";

/** A run that is under way is asked for what it has said since. */
const WHILE_RUNNING_MS = 2_000;

export function RunLog({ runId, isOver }: { runId: string; isOver: boolean }) {
  const search = useSearch();
  const level = (search.get("level") ?? "") as Level;
  const q = search.get("q");
  const cursor = search.get("logs");
  const query = useQuery(
    `log ${runId} ${level} ${q} ${cursor} ${isOver}`,
    () =>
      unwrap(
        client().GET("/v1/runs/{id}/logs", {
          params: {
            path: { id: runId },
            query: { limit: 200, ...(level && { level }), ...given({ q, cursor }) },
          },
        }),
      ),
    isOver ? {} : { everyMs: WHILE_RUNNING_MS },
  );
  return (
    <Section title="Log">
      <div class="filters">
        <ChoiceField
          label="Level"
          value={level}
          options={LEVELS}
          onChange={(next) => search.set({ level: next })}
        />
        <TextField label="Text" type="search" value={q ?? ""} onInput={(next) => search.set({ q: next })} />
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) => (
          <>
            {items.length === 0 ? (
              <p class="muted">{level || q ? "No line matches." : "Nothing was logged."}</p>
            ) : (
              <LogLines lines={items} />
            )}
            {nextCursor && <Link href={search.with({ logs: nextCursor })}>More lines</Link>}
          </>
        )}
      </Answered>
    </Section>
  );
}
