/**
 * How many streams of logs and events each namespace has open, over all APIs. One of a namespace with a limit is counted
 * before it opens, so that the limit is exact; others with the next renewal, so that opening them costs nothing.
 *
 * States of a stream: (counted →) open, renewed again and again → closed, taken out. What is written is written one
 * statement after another: a renewal never brings back what was taken out.
 */
import type { Clock } from "../../core/clock.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import type { Store } from "../../core/store/database.ts";
import { newId } from "../../core/store/ids.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { closeStreams, type OpenStream, openStream, renewStreams } from "../../core/store/open-streams.ts";
import { tooManyFollowers } from "./too-many-followers.ts";

/** One that is not renewed for this long counts no more: its API has crashed, or is cut off from the database. */
export const STREAM_LEASE_MS = 30_000;
export const RENEW_STREAMS_EVERY_MS = 10_000;

export type StreamOwner = Pick<KeyOwner, "keyId" | "namespaceId" | "scopes" | "limits">;

export interface OpenStreams {
  /** Counts a stream that is about to open; what it answers is called when that has closed. 429 where there is no room. */
  open(owner: StreamOwner): Promise<() => void>;
  /** Resolves when all that was closed is counted no more. */
  close(): Promise<void>;
}

export interface OpenStreamsParts {
  store: Pick<Store, "pool">;
  clock: Clock;
  /** It was not written; what is still true is written again. */
  onError(error: unknown): void;
}

export function createOpenStreams({ store, clock, onError }: OpenStreamsParts): OpenStreams {
  const open = new Map<string, OpenStream>();
  /** Rows that may be there, of streams that have closed. */
  const closed = new Set<string>();
  const written = new Set<string>();
  let writing: Promise<void> | undefined;
  let isRenewalDue = false;
  let stopTimer: (() => void) | undefined;

  /** All that is to be written, until nothing is. */
  async function write(): Promise<void> {
    while (isRenewalDue || closed.size > 0) {
      try {
        if (closed.size > 0) await takeOut();
        if (isRenewalDue) await renew();
      } catch (error) {
        // A row that stays counts no more when its lease is over.
        onError(error);
      }
    }
    writing = undefined;
  }

  async function takeOut(): Promise<void> {
    const ids = [...closed];
    closed.clear();
    await closeStreams(store, ids);
  }

  async function renew(): Promise<void> {
    isRenewalDue = false;
    const streams = [...open.values()];
    if (streams.length === 0) return;
    for (const { id } of streams) written.add(id);
    await renewStreams(store, streams, STREAM_LEASE_MS);
  }

  function beginWriting(): void {
    writing ??= write();
  }

  /** While any is open. */
  function keepRenewing(): void {
    stopTimer ??= clock.after(RENEW_STREAMS_EVERY_MS, () => {
      stopTimer = undefined;
      isRenewalDue = true;
      beginWriting();
      keepRenewing();
    });
  }

  function release(id: string): void {
    open.delete(id);
    if (written.delete(id)) {
      closed.add(id);
      beginWriting();
    }
    if (open.size > 0) return;
    stopTimer?.();
    stopTimer = undefined;
  }

  async function count(stream: OpenStream, limit: number): Promise<void> {
    written.add(stream.id);
    if (await openStream(store, stream, limit, STREAM_LEASE_MS)) return;
    written.delete(stream.id);
    throw tooManyOfNamespace(limit);
  }

  return {
    async open({ namespaceId, scopes, limits }) {
      // As with requests: operators are to help where a tenant has come to its end.
      if (isOperator(scopes)) return () => {};
      const stream = { id: newId(), namespaceId };
      const limit = limits?.followers ?? null;
      try {
        if (limit !== null) await count(stream, limit);
      } catch (error) {
        release(stream.id);
        throw error;
      }
      open.set(stream.id, stream);
      keepRenewing();
      return () => release(stream.id);
    },
    async close() {
      stopTimer?.();
      stopTimer = undefined;
      await writing;
    },
  };
}

function tooManyOfNamespace(limit: number): Error {
  const message = `the namespace may have ${limit.toLocaleString("en-US")} streams open at once: close one, or ask an operator for more`;
  return tooManyFollowers(`followers: ${message}.`, [{ field: "followers", message }]);
}
