/** How patient the API is with callers, and how much of it each of them may hold: docs/api.md, "Slow callers". */
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { createShares, type ShareLimits, type Shares } from "../../core/shares.ts";
import type { Rate } from "./least-rate.ts";
import { createUntakenResponses, type UntakenResponses } from "./untaken-responses.ts";

/** Node's own. */
export interface ServerLimits {
  headersTimeout: number;
  /** Head and body, of every request: also of one that flows, so it is longer than any upload should take. */
  requestTimeout: number;
  connectionsCheckingInterval: number;
  /** More are closed as they come. */
  maxConnections: number;
}

export interface EdgeLimits {
  server: ServerLimits;
  /** At which a request's body has to come while it is read. */
  body: Rate;
  /** A request's body that comes while its response goes out: some byte, in either direction. */
  duplex: Rate;
  /** At which a response has to be taken while there is something to take. */
  response: Rate;
  /** A call of a function's URL waits so long for a worker with room, where all are busy. */
  lineMs: number;
  /** Bytes of bodies that are not handed over yet. */
  bodies: ShareLimits;
  /**
   * Bytes of uploads of functions, until they are recorded; `function` is one of them. Of a namespace, the largest one at
   * a time, so that a few tenants do not keep all others from deploying.
   */
  uploads: ShareLimits;
  /** Calls of functions' URLs that wait for a worker with room, or for one to start. */
  line: ShareLimits;
  /** Anonymous calls that wait in the queue, where it cannot be otherwise. */
  queued: ShareLimits;
}

export const EDGE_LIMITS: EdgeLimits = {
  server: {
    headersTimeout: 15_000,
    requestTimeout: 3_600_000,
    connectionsCheckingInterval: 5_000,
    maxConnections: 10_000,
  },
  body: { graceMs: 10_000, bytesPerSecond: 1_000 },
  duplex: { graceMs: 60_000, bytesPerSecond: 0.01 },
  response: { graceMs: 60_000, bytesPerSecond: 1_000 },
  lineMs: 10_000,
  bodies: { function: 16_000_000, namespace: 32_000_000, all: 64_000_000 },
  uploads: { function: 16_000_000, namespace: 16_000_000, all: 64_000_000 },
  line: { function: 100, namespace: 200, all: 500 },
  // Half of a worker by default: what waits there is claimed without asking for shares.
  queued: { function: 50, namespace: 200, all: 500 },
};

export interface Edge {
  limits: EdgeLimits;
  /** One that makes no leaps. */
  clock: Clock;
  bodies: Shares;
  uploads: Shares;
  queued: Shares;
  untaken: UntakenResponses;
  /** Connections that were ended since nobody took their responses. */
  cutOff: WeakSet<Socket>;
  /** A body came too slowly. */
  onSlow(): void;
}

export function createEdge(limits: EdgeLimits, clock: Clock, onSlow: () => void): Edge {
  const { bodies, uploads, queued } = limits;
  return {
    ...{ limits, clock, onSlow, cutOff: new WeakSet() },
    ...{ bodies: createShares(bodies), uploads: createShares(uploads), queued: createShares(queued) },
    untaken: createUntakenResponses(clock),
  };
}
