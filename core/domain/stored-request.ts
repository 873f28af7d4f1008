import type { Json } from "../json.ts";

// Types, not interfaces: they are JSON to whoever stores them.

/** An HTTP request that is kept as a run's input, so that a worker can make the call later. */
export type StoredRequest = {
  method: string;
  /** Absolute. */
  url: string;
  headers: [name: string, value: string][];
  /** Base64; "" where there is none. */
  body: string;
};

/**
 * The input of a run that an HTTP request made. Once the run has ended, only the method and the URL are kept; of a
 * hook's that did not succeed the whole stands beside them, for a replay.
 */
export type StoredRequestInput = { request: StoredRequest };

/**
 * The same of one whose caller waits in an API, of this id, for the worker that claims the run. A request that is not whole
 * is held there, too: only its method and URL are in the row.
 */
export type HeldRequestInput = {
  request: Pick<StoredRequest, "method" | "url"> & Partial<StoredRequest>;
  caller: string;
};

/** The id of the API in which the run's caller waits; undefined: none does. */
export function holderOf(input: Json): string | undefined {
  const { caller } = (input ?? {}) as Partial<HeldRequestInput>;
  return typeof caller === "string" ? caller : undefined;
}

/** The result of such a run that waited in the queue. */
export type StoredResponse = {
  status: number;
  statusText?: string;
  headers: [name: string, value: string][];
  body: string;
  isBase64: boolean;
};

/** Whether the result of a call holds the response, and not its status and size alone. */
export function isWholeResponse(result: Json): boolean {
  return typeof (result as Partial<StoredResponse> | null)?.body === "string";
}

/** Whether nothing of the request is missing. */
export function isWholeRequest(input: Json): boolean {
  const { request } = (input ?? {}) as Partial<StoredRequestInput>;
  return Array.isArray(request?.headers) && typeof request.body === "string";
}

/** What another body makes untrue, besides its length. */
const OF_BODY = new Set(["content-encoding", "content-digest", "content-md5", "digest", "repr-digest"]);

/** The request with another body, of this type where it is given. What is left of its headers is kept, if any. */
export function withBody(
  request: Pick<StoredRequest, "method" | "url"> & Partial<StoredRequest>,
  body: Buffer,
  contentType?: string,
): StoredRequest {
  const { method, url, headers = [] } = request;
  const kept = headers.flatMap(([name, value]): StoredRequest["headers"] => {
    if (OF_BODY.has(name) || (contentType !== undefined && name === "content-type")) return [];
    return [[name, name === "content-length" ? `${body.byteLength}` : value]];
  });
  if (contentType !== undefined) kept.push(["content-type", contentType]);
  return { method, url, headers: kept, body: body.toString("base64") };
}
