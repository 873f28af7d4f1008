/** What a function's URL asks for: which function, and the request it gets to see. */
import type { HttpRequestHead } from "../../core/contracts/http-call.ts";
import { BellhopError } from "../../core/errors.ts";
import type { ReceivedRequest } from "../bodies/receive-body.ts";
import { nameClient } from "../http/client-address.ts";
import { type HeaderPair, headerPairsOf } from "../http/header-pairs.ts";
import { isPassedOn } from "../http/hop-by-hop.ts";

export interface FnTarget {
  namespace: string;
  name: string;
  tag: string | undefined;
  /** What the function sees: path and query. */
  rest: string;
}

const PATH = /^\/fn\/([a-z][a-z0-9-]{0,62})\/([a-z][a-z0-9-]{0,62})(?:@([a-z][a-z0-9-]{0,62}))?(\/.*)?$/;

/** `/fn/{namespace}/{name}[@tag]/…`; undefined where the path is none. */
export function parseFnUrl(url: URL): FnTarget | undefined {
  const [, namespace, name, tag, path = "/"] = PATH.exec(url.pathname) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return { namespace, name, tag, rest: path + url.search };
}

/** Every key begins so: `BELLHOP_API_KEY` must. */
const PLATFORM_KEY = /^bearer +bh_/i;

/** The request as the function gets it. A platform key in `authorization` is not for strangers' code. */
export function toRequestHead(
  { request, incoming }: ReceivedRequest,
  url: string,
  client: string | null,
  showsAuthorization: boolean,
): HttpRequestHead {
  const { method } = request;
  if (method === "TRACE" || method === "CONNECT") {
    throw new BellhopError("method_not_allowed", 405, `Functions do not support ${method}.`);
  }
  const connection = request.headers.get("connection");
  const headers: HeaderPair[] = [];
  for (const [name, value] of headerPairsOf(request, incoming)) {
    if (name === "bellhop-key" || !isPassedOn(name, connection)) continue;
    if (name === "authorization" && (!showsAuthorization || PLATFORM_KEY.test(value))) continue;
    headers.push([name, value]);
  }
  const announced = request.headers.get("content-length") ?? "0";
  const hasContent = announced !== "0" || request.headers.has("transfer-encoding");
  const told = nameClient(headers, client);
  return { method, url, headers: told, hasBody: hasContent && method !== "GET" && method !== "HEAD" };
}
