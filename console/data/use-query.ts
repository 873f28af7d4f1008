/** What a view shows, asked of the API: anew where its key changes, where it is told to, and after live events. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Client, ProblemError } from "../../client/client.ts";
import { currentSession, forgetSession } from "../session/session.ts";
import { type LiveEvent, onLiveEvent } from "./live.ts";

/** However much happens, a view asks no more often than this. */
const LIVE_EVERY_MS = 1_000;

export interface Query<Data> {
  data: Data | undefined;
  error: unknown;
  isLoading: boolean;
  reload(): void;
}

export interface QueryOptions {
  /** Which live events make it ask anew. */
  live?: (event: LiveEvent) => boolean;
  /** Asks anew after so long, for what no event tells. */
  everyMs?: number;
}

interface Held<Data> {
  key: string;
  data?: Data;
  error?: unknown;
}

/** The client of who is signed in. */
export function client(): Client {
  const session = currentSession();
  if (!session) throw new Error("nobody is signed in");
  return session.client;
}

export function isSignedOutBy(error: unknown): boolean {
  const isUnauthenticated = error instanceof ProblemError && error.problem.status === 401;
  if (isUnauthenticated) forgetSession();
  return isUnauthenticated;
}

/** @param key what it is asked for; the same key shows what was there until the answer comes */
export function useQuery<Data>(
  key: string,
  ask: () => Promise<Data>,
  options: QueryOptions = {},
): Query<Data> {
  const [held, setHeld] = useState<Held<Data>>({ key });
  const [asked, setAsked] = useState(0);
  const latest = useRef({ ask, options, turn: 0 });
  latest.current.ask = ask;
  latest.current.options = options;

  useEffect(() => {
    const turn = ++latest.current.turn;
    const isCurrent = () => latest.current.turn === turn;
    latest.current.ask().then(
      (data) => {
        if (isCurrent()) setHeld({ key, data });
      },
      (error: unknown) => {
        if (isCurrent() && !isSignedOutBy(error)) setHeld((before) => keepData(before, key, error));
      },
    );
    return () => {
      latest.current.turn += 1;
    };
  }, [key, asked]);

  const reload = useCallback(() => setAsked((count) => count + 1), []);
  useLiveReload(latest, reload);
  useEffect(() => {
    const { everyMs } = latest.current.options;
    if (everyMs === undefined) return;
    const timer = setInterval(reload, everyMs);
    return () => clearInterval(timer);
  }, [reload]);

  const isOwn = held.key === key;
  const data = isOwn ? held.data : undefined;
  const error = isOwn ? held.error : undefined;
  return { data, error, isLoading: data === undefined && error === undefined, reload };
}

const keepData = <Data>(before: Held<Data>, key: string, error: unknown): Held<Data> =>
  before.key === key && before.data !== undefined ? { ...before, error } : { key, error };

function useLiveReload(latest: { current: { options: QueryOptions } }, reload: () => void): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastAt = 0;
    const stop = onLiveEvent((event) => {
      if (timer !== undefined || !latest.current.options.live?.(event)) return;
      const waitMs = Math.max(50, lastAt + LIVE_EVERY_MS - performance.now());
      timer = setTimeout(() => {
        timer = undefined;
        lastAt = performance.now();
        reload();
      }, waitMs);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [latest, reload]);
}
