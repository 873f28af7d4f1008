import { decodeCursor } from "../../core/contracts/common.ts";
import { invalidField } from "../../core/errors.ts";
import type { ErrorPosition } from "../../core/store/errors/groups.ts";
import { isId } from "../../core/store/ids.ts";
import { isLogPosition } from "../../core/store/logs.ts";

const decodeAs = (isValid: (text: string) => boolean) => (cursor: string | undefined) => {
  const text = decodeCursor(cursor);
  if (text !== undefined && !isValid(text)) throw invalidField("cursor", "is not a cursor from this list");
  return text;
};

export const decodeIdCursor = decodeAs(isId);
export const decodeLogCursor = decodeAs(isLogPosition);

const decodeError = decodeAs((text) => /^\d{1,18}:[0-9a-f]{32}$/.test(text));

export function decodeErrorCursor(cursor: string | undefined): ErrorPosition | undefined {
  const [seenAtUs, fingerprint] = decodeError(cursor)?.split(":") ?? [];
  return fingerprint === undefined ? undefined : { seenAtUs: seenAtUs!, fingerprint };
}

const decodeNumber = decodeAs((text) => /^[1-9]\d{0,8}$/.test(text));

export function decodeNumberCursor(cursor: string | undefined): number | undefined {
  const text = decodeNumber(cursor);
  return text === undefined ? undefined : Number(text);
}

/** Where a page of `/v1/upcoming` ended, and where the last one will. */
interface UpcomingCursor {
  untilMs: number;
  atMs: number;
  taskId: string;
}

export const encodeUpcomingPosition = ({ untilMs, atMs, taskId }: UpcomingCursor): string =>
  `${untilMs} ${atMs} ${taskId}`;

const decodeUpcoming = decodeAs((text) => {
  const [untilMs, atMs, taskId = "", ...more] = text.split(" ");
  return /^\d{1,15}$/.test(untilMs!) && /^\d{1,15}$/.test(atMs ?? "") && isId(taskId) && more.length === 0;
});

export function decodeUpcomingCursor(cursor: string | undefined): UpcomingCursor | undefined {
  const text = decodeUpcoming(cursor);
  if (text === undefined) return undefined;
  const [untilMs, atMs, taskId] = text.split(" ");
  return { untilMs: Number(untilMs), atMs: Number(atMs), taskId: taskId! };
}
