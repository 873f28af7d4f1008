/** Node's requests as the API's app takes them. */
import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { drainAnswered } from "../edge/drain-answered.ts";
import type { Edge } from "../edge/edge.ts";

type Fetch = Parameters<typeof getRequestListener>[0];

/** The library would give what is left of a body half a second, whatever its size, and then end the connection. */
export function createListener(fetch: Fetch, edge: Pick<Edge, "clock" | "limits">): RequestListener {
  // Named for HTTP/1.0, where a request may name no Host.
  const answer = getRequestListener(fetch, { hostname: "localhost", autoCleanupIncoming: false });
  return drainAnswered(answer as RequestListener, edge);
}
