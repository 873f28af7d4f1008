import type { SubRequest } from "../../../../core/domain/attempt-facts.ts";
import type { Egress } from "../../../../core/egress/egress.ts";
import type { Span } from "../../../../core/telemetry/tracing.ts";
import type { FetchReply } from "../../protocol/fetch-messages.ts";

export interface RunFetchesOptions {
  /** The run's number in the frames to its executor. */
  runId: number;
  egress: Egress;
  /** The run's namespace, which shares connections with no other. */
  tenant: string;
  /** Requests that the run may make in all, redirects included. */
  subrequests: number;
  /** The run's own limit, which bounds what the decoders of its answers hold. */
  memoryMb: number;
  /** W3C trace context of the run; sent with each request that has none of its own. */
  traceparent: string;
  /** The attempt's. Each fetch is a child, whose own context it sends then. */
  span?: Span | undefined;
  /** Of one answer, as received and as decoded. Default: egress's own, 100 MB. */
  maxResponseBytes?: number | undefined;
  /** One of them is over, however. */
  onRequest?: ((request: SubRequest) => void) | undefined;
  /** How a host is named in spans, messages and to `onRequest`. Default: as it is. */
  showHost?: ((host: string) => string) | undefined;
  /** False when the executor is behind with reading. */
  send(reply: FetchReply): boolean;
  /** Whether it is behind now: with the frames of all its runs. */
  isCongested(): boolean;
  /** Resolves when it reads again. */
  drained(): Promise<void>;
}
