/**
 * What the guest's own code (never the author's) may ask of the executor. Held in closures: nothing of it is reachable
 * from the global object. Everything that crosses is a string, a number or a copy of bytes.
 */
export interface Host {
  /**
   * Sends a message and returns at once; answers come to `onMessage` of the same kind. The sender bounds what is
   * under way: messages wait in the executor without a bound of their own.
   */
  send(kind: HostMessageKind, no: number, text: string, bytes?: Uint8Array): void;
  /** At most 65,536 bytes of the system's randomness. */
  randomBytes(count: number): Uint8Array;
  /** UTS #46 as the URL standard asks for it; "" where the domain is none. */
  domainToAscii(domain: string): string;
  /** The script of a node: module, an expression whose value is a function; "" where there is none of that name. */
  nodeModule(name: string): string;
}

/**
 * `fetch*` mirror runtime/sandbox/protocol/fetch-messages.ts: `fetch` and `fetch-head` carry the head as JSON text,
 * `fetch-pull` its bytes as decimal text, `fetch-data` its chunk as bytes, `fetch-failed` JSON of {code, message}.
 * `crypto` asks for one operation of Web Crypto: JSON text and bytes there, `{"ok":…}` or `{"error":{name,message}}`
 * and bytes back. `call-*` mirror runtime/sandbox/protocol/call-messages.ts; their number is the run's.
 * `kv` mirrors runtime/sandbox/protocol/kv-messages.ts, both ways. `signal` says that the run of this number looks at its signal,
 * `abort` that it is cancelled, to one that looks at its signal or whose response has begun.
 */
export type HostMessageKind =
  | "fetch"
  | "fetch-data"
  | "fetch-body-end"
  | "fetch-pull"
  | "fetch-read"
  | "fetch-cancel"
  | "fetch-head"
  | "fetch-end"
  | "fetch-failed"
  | "crypto"
  | "call-head"
  | "call-data"
  | "call-end"
  | "call-pull"
  | "call-leave"
  | "kv"
  | "signal"
  | "abort";

export type HostReceiver = (no: number, text: string, bytes: Uint8Array | undefined) => void;

let connected: Host | undefined;
const receivers: Partial<Record<HostMessageKind, HostReceiver>> = { __proto__: null } as object;

/** To be called at the start of every isolate; a snapshot holds no host. */
export function connectHost(host: Host): void {
  connected = host;
}

/** Throws where code runs while the snapshot is made. */
export function host(): Host {
  if (connected === undefined) throw new Error("There is no host yet.");
  return connected;
}

/** One receiver a kind, set while the snapshot is made. */
export function onMessage(kind: HostMessageKind, receiver: HostReceiver): void {
  receivers[kind] = receiver;
}

export function receiveMessage(
  kind: HostMessageKind,
  no: number,
  text: string,
  bytes: Uint8Array | undefined,
): void {
  receivers[kind]?.(no, text, bytes);
}
