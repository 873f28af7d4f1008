/** Positions in a log, compared without the database: (recorded_xid, id), and what a snapshot shows. */
import type { LogPosition } from "./logs.ts";

interface Parts {
  xid: bigint;
  id: bigint;
}

function partsOf(position: string): Parts {
  const [xid, id] = position.split(":");
  return { xid: BigInt(xid!), id: BigInt(id!) };
}

/** Below 0: `a` stands before `b`. */
export function comparePositions(a: string, b: string): number {
  const [one, other] = [partsOf(a), partsOf(b)];
  const [x, y] = one.xid === other.xid ? [one.id, other.id] : [one.xid, other.xid];
  return x < y ? -1 : x > y ? 1 : 0;
}

export const laterPosition = (a: string, b: string): string => (comparePositions(a, b) < 0 ? b : a);

/** A snapshot as PostgreSQL writes it, `xmin:xmax:xip,xip`. */
function parseSnapshot(text: string): { xmin: bigint; xmax: bigint; inProgress: Set<bigint> } {
  const [xmin, xmax, list = ""] = text.split(":");
  const inProgress = new Set(list === "" ? [] : list.split(",").map(BigInt));
  return { xmin: BigInt(xmin!), xmax: BigInt(xmax!), inProgress };
}

/** Whether a line, by its position, is one of those after `after`: what `readFunctionLogsAfter` asks the database. */
export function createAfterTest({ position, snapshot }: LogPosition): (linePosition: string) => boolean {
  const shown = snapshot === undefined ? undefined : parseSnapshot(snapshot);
  return (linePosition) => {
    if (comparePositions(linePosition, position) <= 0) return false;
    if (!shown) return true;
    const { xid } = partsOf(linePosition);
    return xid >= shown.xmax || (xid >= shown.xmin && shown.inProgress.has(xid));
  };
}

/** Whether all lines after `position` are after `after` as well. */
export function isPast(position: string, { position: from, snapshot }: LogPosition): boolean {
  if (comparePositions(position, from) < 0) return false;
  return snapshot === undefined || partsOf(position).xid >= parseSnapshot(snapshot).xmax;
}
