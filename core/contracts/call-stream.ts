/**
 * What the two sides of a call over HTTP say to each other while its bodies stream, declared once: as methods, for who
 * speaks and listens, and as messages, for what carries it (the connections of direct calls, the frames of an executor).
 * Bodies go in chunks against credit: a side sends as far as the other has granted it by `pull`.
 */
import type { HttpResponseHead } from "./http-call.ts";

/** Why the API let go of a caller who was still there; what the run is recorded with. */
export type CutReason = "request_body_too_slow" | "response_not_taken";

interface BodyStream {
  data(bytes: Uint8Array): void;
  /** The body is complete. */
  end(): void;
  /** So many more bytes of the other side's body are welcome. */
  pull(bytes: number): void;
}

/** What comes from who calls: the request's body. */
export interface CallerStream extends BodyStream {
  /**
   * The caller is gone: `request.signal` aborts and the response's body is cancelled; the run goes on.
   * @param cut where the caller did not leave of its own will: the run ends as failed, for that reason
   */
  leave(cut?: CutReason): void;
}

/** What comes from who answers: the response, where it streams. Without an end its body broke off. */
export interface AnswerStream extends BodyStream {
  /** The response begins; only then chunks of its body and its end. */
  head(head: HttpResponseHead): void;
}

/** What a message carries besides its kind and whose it is. */
interface Carried {
  data: { base64: string };
  end: object;
  pull: { bytes: number };
  leave: { cut?: CutReason };
  head: { head: HttpResponseHead };
}

type Messages<Kind extends keyof Carried, Key extends object, Prefix extends string> = {
  [Each in Kind]: { t: `${Prefix}${Each}` } & Key & Carried[Each];
}[Kind];

/** The caller's side as messages; `Key` says whose they are, `Prefix` stands before each kind. */
export type CallerMessage<Key extends object, Prefix extends string = ""> = Messages<
  keyof CallerStream,
  Key,
  Prefix
>;
export type AnswerMessage<Key extends object, Prefix extends string = ""> = Messages<
  keyof AnswerStream,
  Key,
  Prefix
>;

/** The methods of one side as events of the other: `data` as `onData`. */
export type EventsOf<Side> = {
  [Kind in keyof Side & string as `on${Capitalize<Kind>}`]: Side[Kind];
};
