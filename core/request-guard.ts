/**
 * What every HTTP server of ours asks of a request besides Node's strict parser (one length, chunks last, no odd line
 * ends, a Host in HTTP/1.1): that there is one Host. Of two, a proxy before us may have gone by the other.
 */
import type { IncomingMessage, RequestListener, ServerOptions } from "node:http";
import { BellhopError } from "./errors.ts";
import { PROBLEM_CONTENT_TYPE, toProblemText } from "./problem.ts";

export const STRICT_HTTP: ServerOptions = { insecureHTTPParser: false, requireHostHeader: true };

function countHosts({ rawHeaders }: IncomingMessage): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]!.length === 4 && rawHeaders[index]!.toLowerCase() === "host") count += 1;
  return count;
}

/** Answers an ambiguous request with a 400 and closes its connection: what follows on it may be part of it. */
export function guardRequests(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (countHosts(request) < 2) return listener(request, response);
    const error = new BellhopError(
      "bad_request",
      400,
      "A request has one Host field, and this one has more.",
    );
    response
      .writeHead(400, { "content-type": PROBLEM_CONTENT_TYPE, connection: "close" })
      .end(toProblemText(error));
  };
}
