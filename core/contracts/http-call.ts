/** An HTTP call of a function, as it travels from its caller to the isolate and back. */

export interface HttpRequestHead {
  method: string;
  /** Absolute; what a fetch handler sees as `request.url`. */
  url: string;
  headers: [name: string, value: string][];
  /** Whether the body follows, in chunks and an end. */
  hasBody: boolean;
  /** The whole of a short body that is UTF-8 text; nothing follows then. */
  body?: string;
}

export interface HttpResponseHead {
  status: number;
  /** The reason phrase beside the status; left out: the usual one. */
  statusText?: string;
  headers: [name: string, value: string][];
}

/** The `result` of a run over HTTP. */
export type HttpResult =
  | (HttpResponseHead & { body: string })
  /** It streamed, or the caller was gone. */
  | { status: number; bodyBytes: number };
