/**
 * What happens to runs and tasks, as it happens: one stream of server-sent events for all views. It reconnects by itself,
 * from the event that was seen last.
 */
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Schemas } from "../../client/client.ts";
import { currentSession, forgetSession, type Session } from "../session/session.ts";
import { apiUrl, namespaceOfAddress } from "./root.ts";

export type LiveEvent = Schemas["Event"];
export type LiveState = "connecting" | "live" | "off";

const RETRY_MS = [500, 1_000, 2_000, 5_000, 15_000];

const listeners = new Set<(event: LiveEvent) => void>();
const stateWatchers = new Set<() => void>();
let state: LiveState = "connecting";

export const liveState = () => state;

export function watchLiveState(watcher: () => void): () => void {
  stateWatchers.add(watcher);
  return () => stateWatchers.delete(watcher);
}

export function onLiveEvent(listener: (event: LiveEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function setState(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const watcher of stateWatchers) watcher();
}

/** Follows until the signal. */
export async function followEvents(session: Session, signal: AbortSignal): Promise<void> {
  let lastId: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      setState("connecting");
      const onOpen = (start: string | undefined) => {
        lastId ??= start;
        failures = 0;
        setState("live");
      };
      const stream = await openStream(session, "/v1/events?follow=true", signal, lastId, onOpen);
      for await (const { id, data } of stream) {
        lastId = id ?? lastId;
        const event = JSON.parse(data) as LiveEvent;
        for (const listener of listeners) listener(event);
      }
    } catch (error) {
      if (error instanceof RefusedStream) return setState("off");
    }
    if (signal.aborted) return;
    setState("connecting");
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]!, signal);
    failures += 1;
  }
}

/** The key may not follow: trying again would change nothing. */
export class RefusedStream extends Error {}

export async function openStream(
  { key }: Session,
  path: string,
  signal: AbortSignal,
  lastId: string | undefined,
  /** `start`: what the stream begins after. */
  onOpen: (start: string | undefined) => void,
) {
  const headers: Record<string, string> = { authorization: `Bearer ${key}`, accept: "text/event-stream" };
  if (namespaceOfAddress !== undefined) headers["bellhop-namespace"] = namespaceOfAddress;
  if (lastId !== undefined) headers["last-event-id"] = lastId;
  const answer = await fetch(`${apiUrl}${path}`, { headers, signal });
  // It was revoked, or has expired, under the stream. Whoever has signed in with another one since goes on.
  if (answer.status === 401 && currentSession()?.key === key) forgetSession();
  if (answer.status === 401 || answer.status === 403) throw new RefusedStream();
  if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`);
  onOpen(answer.headers.get("last-event-id") ?? undefined);
  const text = answer.body.pipeThrough(
    new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>,
  );
  return iterate(text.pipeThrough(new EventSourceParserStream()));
}

/** Streams are not iterable in every browser. */
async function* iterate<Item>(stream: ReadableStream<Item>): AsyncGenerator<Item> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
