import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { Segments } from "../components/field.tsx";
import { Toasts } from "../components/toasts.tsx";
import { followEvents, liveState, watchLiveState } from "../data/live.ts";
import { may } from "../data/may.ts";
import { consolePath } from "../data/root.ts";
import { client, useQuery } from "../data/use-query.ts";
import { type Session, signOut } from "../session/session.ts";
import { Palette } from "./palette.tsx";
import { groupsForCaller } from "./places.ts";
import { applyTheme, readTheme, type Theme } from "./theme.ts";

export function Shell({ session, children }: { session: Session; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const [isFinding, setFinding] = useState(false);
  const [at] = useLocation();
  useEffect(() => setOpen(false), [at]);
  useEffect(() => {
    const following = new AbortController();
    void followEvents(session, following.signal);
    return () => following.abort();
  }, [session]);
  // Before it is painted: who sees the page may press the keys.
  useLayoutEffect(() => {
    const open = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setFinding(true);
    };
    addEventListener("keydown", open);
    return () => removeEventListener("keydown", open);
  }, []);
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <div class="top">
        <Brand />
        <button type="button" class="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Menu
        </button>
      </div>
      <header class="side" data-open={isOpen}>
        <Brand />
        <button type="button" class="find" onClick={() => setFinding(true)}>
          Go to … <kbd>Ctrl K</kbd>
        </button>
        <Menu at={at} />
        <Foot session={session} />
      </header>
      {children}
      {isFinding && <Palette onClose={() => setFinding(false)} />}
      <Toasts />
    </div>
  );
}

function Brand() {
  return (
    <Link href="/" class="brand">
      <svg width="20" height="20" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
        <path d="M8 3a5.500 5.500 0 0 0-5.500 5.500V11h11V8.500A5.500 5.500 0 0 0 8 3zM1.500 12h13v1.500h-13zM7.250 1h1.500v1.500h-1.500z" />
      </svg>
      Bellhop
    </Link>
  );
}

function Menu({ at }: { at: string }) {
  const isAt = (to: string) => (to === "/" ? at === "/" : at === to || at.startsWith(`${to}/`));
  return (
    <nav aria-label="Console">
      {groupsForCaller().map(({ title, places }) => (
        <div key={title}>
          <p>{title}</p>
          <ul>
            {places.map(({ name, to }) => (
              <li key={to}>
                <Link href={to} aria-current={isAt(to) ? "page" : undefined}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

const LIVE_WORDS = { live: "Live", connecting: "Connecting …", off: "Not live" } as const;

function Live() {
  const [state, setState] = useState(liveState);
  useEffect(() => watchLiveState(() => setState(liveState())), []);
  return (
    <span class="live" data-state={state}>
      {LIVE_WORDS[state]}
    </span>
  );
}

const THEMES = [
  ["system", "Auto"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

function Foot({ session: { caller } }: { session: Session }) {
  const [theme, setTheme] = useState<Theme>(readTheme);
  const choose = (next: Theme) => {
    applyTheme(next);
    setTheme(next);
  };
  return (
    <div class="side-foot">
      <Live />
      <Namespaces at={caller.namespace} />
      <Segments label="Theme" value={theme} options={THEMES} onChange={choose} />
      <span class="muted">Signed in as {caller.key.name}</span>
      <button type="button" class="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </div>
  );
}

/** An operator's to choose; the address says which, so that it can be sent to another operator. */
function Namespaces({ at }: { at: string }) {
  const isOperator = may("operator");
  const { data } = useQuery(`namespaces ${isOperator}`, async () =>
    isOperator
      ? await unwrap(client().GET("/v1/namespaces", { params: { query: { limit: 200 } } }))
      : undefined,
  );
  const names = data?.items.map(({ name }) => name) ?? [];
  if (names.length < 2) return <span class="muted">Namespace {at}</span>;
  return (
    <div class="field">
      <label for="namespace">Namespace</label>
      <select
        id="namespace"
        value={at}
        onChange={({ currentTarget: { value } }) =>
          location.assign(`${consolePath}/@${encodeURIComponent(value)}/`)
        }
      >
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
