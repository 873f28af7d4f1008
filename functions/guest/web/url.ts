/** URL and URLSearchParams: the URL standard as whatwg-url implements it, and object URLs. */
import { URLSearchParams as StandardSearchParams, URL as StandardUrl } from "whatwg-url";
import { publishBlob, withdrawBlob } from "./blob.ts";
import { defineGlobal, notePlatformClass, requireArguments, toDomString } from "./webidl.ts";

export const GuestURL = StandardUrl as unknown as typeof globalThis.URL;
export const GuestURLSearchParams = StandardSearchParams as unknown as typeof globalThis.URLSearchParams;

/** Undefined where it does not parse. */
export function parseUrl(text: string, base?: string): URL | undefined {
  return GuestURL.parse(text, base) ?? undefined;
}

export function isSearchParams(value: unknown): value is URLSearchParams {
  return value instanceof GuestURLSearchParams;
}

/** `makeId` answers a UUID. */
export function installUrl(makeId: () => string): void {
  const operations = {
    createObjectURL(blob: unknown) {
      requireArguments(arguments.length, 1, "URL.createObjectURL");
      return publishBlob(blob, makeId());
    },
    revokeObjectURL(url: unknown) {
      requireArguments(arguments.length, 1, "URL.revokeObjectURL");
      withdrawBlob(toDomString(url));
    },
  };
  for (const [name, value] of Object.entries(operations)) {
    Object.defineProperty(GuestURL, name, { value, writable: true, enumerable: true, configurable: true });
  }
  notePlatformClass(GuestURL);
  notePlatformClass(GuestURLSearchParams);
  defineGlobal("URL", GuestURL);
  defineGlobal("URLSearchParams", GuestURLSearchParams);
}
