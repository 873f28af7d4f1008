/**
 * Where an event stands in its namespace's stream; as text it is the event's id. The order is that of transactions
 * (core/store/xid.ts), and within one: what has a row first, then queued, started, ended, each by the run's id, then what the
 * audit log has of it.
 */

export interface EventPosition {
  /** Of its instant, in seconds: spares the days before; it takes no part in the order. */
  second: number;
  xid: bigint;
  /** 0: it has a row; then as `RANKS`. */
  rank: number;
  /** The run's id, or the audit entry's; of a row its number as a UUID. */
  key: string;
}

export const RANKS = { kept: 0, queued: 1, started: 2, ended: 3, audited: 4 } as const;

const NO_KEY = "00000000-0000-0000-0000-000000000000";
const MAX_XID = 2n ** 63n - 1n;
const TEXT = /^(\d{1,10})-(\d{1,19})-([0-4])-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Before every event. */
export const FIRST_EVENT: EventPosition = { second: 0, xid: 0n, rank: 0, key: NO_KEY };

/** Before every event of this transaction and of all later ones. */
export const beforeXid = (xid: bigint, second: number): EventPosition => ({
  second,
  xid,
  rank: 0,
  key: NO_KEY,
});

export const toPositionText = ({ second, xid, rank, key }: EventPosition): string =>
  `${second}-${xid}-${rank}-${key}`;

/** Undefined: no event ever had it. */
export function parsePosition(text: string): EventPosition | undefined {
  const [, second, xid, rank, key] = TEXT.exec(text) ?? [];
  if (key === undefined || BigInt(xid!) > MAX_XID) return undefined;
  return { second: Number(second), xid: BigInt(xid!), rank: Number(rank), key };
}

/** Below 0: `a` stands before `b`. */
export function comparePositions(a: EventPosition, b: EventPosition): number {
  if (a.xid !== b.xid) return a.xid < b.xid ? -1 : 1;
  if (a.rank !== b.rank) return a.rank - b.rank;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
