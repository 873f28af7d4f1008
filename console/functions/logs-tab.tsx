/** What the function says, as it says it: the newest lines, then a stream. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Schemas } from "../../client/client.ts";
import { ChoiceField, TextField } from "../components/field.tsx";
import { LEVELS, type Level } from "../components/log-levels.ts";
import { LogLines } from "../components/log-lines.tsx";
import { Empty } from "../components/page.tsx";
import { openStream, RefusedStream } from "../data/live.ts";
import { useSearch } from "../data/use-search.ts";
import { currentSession } from "../session/session.ts";

type LogLine = Schemas["LogLine"];

const MOST_LINES = 1_000;
const RETRY_MS = 2_000;

export function LogsTab({ name }: { name: string }) {
  const search = useSearch();
  const level = (search.get("level") ?? "") as Level;
  const q = search.get("q") ?? "";
  const { lines, isFollowing } = useFollowedLines(name, level, q);
  return (
    <div class="section">
      <div class="filters">
        <ChoiceField
          label="Level"
          value={level}
          options={LEVELS}
          onChange={(next) => search.set({ level: next })}
        />
        <TextField label="Text" type="search" value={q} onInput={(next) => search.set({ q: next })} />
        <span class="live" data-state={isFollowing ? "live" : "connecting"}>
          {isFollowing ? "Following" : "Connecting …"}
        </span>
      </div>
      {lines.length === 0 ? (
        <Empty title="There are no lines yet.">
          <p>Lines of the last hour appear here, and new ones are added automatically.</p>
        </Empty>
      ) : (
        <LogLines lines={lines} />
      )}
    </div>
  );
}

function useFollowedLines(name: string, level: Level, q: string) {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [isFollowing, setFollowing] = useState(false);
  const since = useRef(new Date(Date.now() - 3_600_000).toISOString());
  useEffect(() => {
    setLines([]);
    const stop = new AbortController();
    const params = new URLSearchParams({ follow: "true", since: since.current });
    if (level) params.set("level", level);
    if (q) params.set("q", q);
    const path = `/v1/functions/${encodeURIComponent(name)}/logs?${params}`;
    const add = (line: LogLine) => setLines((before) => [...before.slice(1 - MOST_LINES), line]);
    const wait = setTimeout(() => void follow(path, stop.signal, add, setFollowing), q ? 250 : 0);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [name, level, q]);
  return { lines, isFollowing };
}

async function follow(
  path: string,
  signal: AbortSignal,
  add: (line: LogLine) => void,
  setFollowing: (is: boolean) => void,
): Promise<void> {
  let lastId: string | undefined;
  while (!signal.aborted) {
    try {
      const onOpen = (start: string | undefined) => {
        lastId ??= start;
        setFollowing(true);
      };
      for await (const { id, data } of await openStream(currentSession()!, path, signal, lastId, onOpen)) {
        lastId = id ?? lastId;
        add(JSON.parse(data) as LogLine);
      }
    } catch (error) {
      if (error instanceof RefusedStream) return;
    }
    if (signal.aborted) return;
    setFollowing(false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
