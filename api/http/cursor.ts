import { decodeCursor } from "../../core/contracts/common.ts";
import { invalidField } from "../../core/errors.ts";
import type { ErrorPosition } from "../../core/store/errors/groups.ts";
import { isId } from "../../core/store/ids.ts";
import { isLogPosition } from "../../core/store/logs.ts";

const decodeAs = (isValid: (text: string) => boolean) => (cursor: string | undefined) => {
  const text = decodeCursor(cursor);
  if (text !== undefined && !isValid(text)) throw invalidField("cursor", "is not a cursor this list gave");
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
