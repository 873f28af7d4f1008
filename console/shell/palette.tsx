/** Ctrl-K: anything by its name. Places at once, tasks and functions as they are found. */
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { client, useQuery } from "../data/use-query.ts";
import { groupsForCaller } from "./places.ts";

interface Entry {
  name: string;
  kind: string;
  to: string;
}

const MOST = 12;
const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const PLACES = (): Entry[] => [
  ...groupsForCaller().flatMap(({ places }) => places.map(({ name, to }) => ({ name, kind: "View", to }))),
  { name: "New task", kind: "Do", to: "/tasks/new" },
  { name: "New function", kind: "Do", to: "/functions/new" },
];

async function findThings(text: string): Promise<Entry[]> {
  if (text === "") return [];
  const [tasks, functions] = await Promise.all([
    unwrap(client().GET("/v1/tasks", { params: { query: { q: text.slice(0, 200), limit: 8 } } })),
    unwrap(client().GET("/v1/functions", { params: { query: { limit: 200 } } })),
  ]);
  return [
    ...functions.items
      .filter(({ name }) => name.includes(text.toLowerCase()))
      .map(({ name }) => ({ name, kind: "Function", to: `/functions/${name}` })),
    ...tasks.items.map(({ id, name, key }) => ({
      name: name ?? key ?? id,
      kind: "Task",
      to: `/tasks/${id}`,
    })),
  ];
}

export function Palette({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, go] = useLocation();
  const id = useId();
  // Before the browser goes on: what is typed next belongs in the field.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const wanted = text.trim();
  const { data: found = [] } = useQuery(`find ${wanted}`, () => findThings(wanted));
  const places = PLACES().filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  const byId = RUN_ID.test(wanted) ? [{ name: wanted, kind: "Run", to: `/runs/${wanted}` }] : [];
  const entries = [...byId, ...places, ...found].slice(0, MOST);
  const chosen = Math.min(at, entries.length - 1);

  const take = (entry: Entry | undefined) => {
    if (!entry) return;
    // Without close(), whose event comes later, and would close a palette that has been opened by then.
    onClose();
    go(entry.to);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && entries.length > 0) setAt((chosen + step + entries.length) % entries.length);
    else if (event.key === "Enter") take(entries[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} aria-label="Go to" onClose={onClose}>
      <div class="palette">
        <input
          type="text"
          role="combobox"
          aria-label="Go to"
          aria-expanded="true"
          aria-controls={id}
          aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
          placeholder="A view, a function, a task, the id of a run"
          autocomplete="off"
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <div role="listbox" id={id} aria-label="Found">
          {entries.map((entry, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field above
            // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field
            <div
              key={entry.to}
              role="option"
              id={`${id}-${index}`}
              aria-selected={index === chosen}
              onClick={() => take(entry)}
            >
              <span>{entry.name}</span>
              <span class="muted small">{entry.kind}</span>
            </div>
          ))}
          {entries.length === 0 && <p class="muted">Nothing matches.</p>}
        </div>
      </div>
    </dialog>
  );
}
