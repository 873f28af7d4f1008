/** Takes the place of the package webidl-conversions in the bundle: the conversions that whatwg-url asks for. */
import { toUsvString } from "./webidl.ts";

interface Where {
  context?: string;
  globals?: { TypeError: new (message: string) => Error };
}

export function USVString(value: unknown, { context = "The value" }: Where = {}): string {
  if (typeof value === "symbol")
    throw new TypeError(`${context} is a symbol, which cannot be converted to a string`);
  return toUsvString(value);
}

export function any(value: unknown): unknown {
  return value;
}
