/** Whom a request comes from, as far as its connection and the trusted proxies on its way tell. */
import type { Context } from "hono";
import { findClientAddress } from "../../core/proxies.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";

/** Null where there is no connection, as in tests without a server. */
export function clientAddressOf(context: Context<ApiEnv>, { proxies }: ApiParts): string | null {
  const peer = incomingOf(context)?.socket.remoteAddress;
  return peer === undefined ? null : findClientAddress(peer, context.req.header("x-forwarded-for"), proxies);
}

const CLIENT_HEADERS = ["x-forwarded-for", "x-real-ip"];

/** The client's address in the headers that tell it, in place of what the caller wrote there: anybody may write them. */
export function nameClient(
  headers: Iterable<[name: string, value: string]>,
  address: string | null,
): [name: string, value: string][] {
  const others = [...headers].filter(([name]) => !CLIENT_HEADERS.includes(name));
  if (address === null) return others;
  return [...others, ...CLIENT_HEADERS.map((name): [string, string] => [name, address])];
}
