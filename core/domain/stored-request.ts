/** A request that waits in the queue for a worker: the `input` of a run with the trigger `http` or `hook`. */
export interface StoredRequest {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  /** Base64; empty where there is none. */
  body: string;
}

export interface StoredRequestInput {
  request: StoredRequest;
}

/** The `result` of such a run. */
export interface StoredResponse {
  status: number;
  headers: [name: string, value: string][];
  body: string;
  isBase64: boolean;
}
