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

/** The input of a run that an HTTP request made. Once the run has ended, only the method and the URL are kept. */
export type StoredRequestInput = { request: StoredRequest };

/** The result of such a run that waited in the queue. */
export type StoredResponse = {
  status: number;
  headers: [name: string, value: string][];
  body: string;
  isBase64: boolean;
};
