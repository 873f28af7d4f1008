import type { IncomingMessage, ServerResponse } from "node:http";
import type { BlockList } from "node:net";
import type { Context } from "hono";
import type { Clock } from "../core/clock.ts";
import type { FunctionLimitCaps } from "../core/domain/function-limits.ts";
import type { LazyAbort } from "../core/lazy-abort.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { ScheduleTime } from "../core/schedule-time.ts";
import type { CompletionTokens } from "../core/secrets/completion-tokens.ts";
import type { Sealer } from "../core/secrets/sealer.ts";
import type { DailyLimits } from "../core/store/daily-limits.ts";
import type { Store } from "../core/store/database.ts";
import type { KeyOwner } from "../core/store/keys.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { ApiMetrics } from "../core/telemetry/metrics/api.ts";
import type { Probes } from "../core/telemetry/probes.ts";
import type { Span, Tracer } from "../core/telemetry/tracing.ts";
import type { Keyring } from "./auth/keyring.ts";
import type { RequestRates } from "./auth/request-rates.ts";
import type { Callables } from "./calls/callables.ts";
import type { FinishWaiter } from "./calls/wait.ts";
import type { OidcSignIn } from "./console/oidc-sign-in.ts";
import type { DirectCaller } from "./direct/direct-caller.ts";
import type { CallersInQueue } from "./direct/held-callers.ts";
import type { Edge } from "./edge/edge.ts";
import type { EventFollowers } from "./events/followers.ts";
import type { LogFollowers } from "./logs/followers.ts";
import type { KnownQueues } from "./queues/known-queues.ts";
import type { RunRinger } from "./ring.ts";

/** What the API knows of e-mails, which it does not send. */
export interface MailFacts {
  /** They are kept in the mailbox. */
  isCaptured: boolean;
  /** Whether those that name no sender get one; `unknown`: the API was not told. */
  defaultSender: "given" | "none" | "unknown";
}

/** What the routes are given. */
export interface ApiParts {
  store: Store;
  transport: QueueTransport;
  ringer: RunRinger;
  notifier: Notifier;
  ends: RunEnds;
  waiter: FinishWaiter;
  followers: LogFollowers;
  eventFollowers: EventFollowers;
  clock: Clock;
  /** What schedules see. */
  time: ScheduleTime;
  log: Logger;
  metrics: ApiMetrics;
  tracer: Tracer;
  probes: Probes;
  functionCaps: FunctionLimitCaps;
  /** What the addresses that it gives begin with, without a slash at its end; undefined: they are paths. */
  publicUrl: string | undefined;
  /** Whose pages may call it from a browser. */
  corsOrigins: readonly string[];
  /** Where packages of uploads are fetched from, without a slash at its end; undefined: they are not. */
  npmRegistry: string | undefined;
  mail: MailFacts;
  callables: Callables;
  queues: KnownQueues;
  direct: DirectCaller;
  /** Callers whose runs are queued. */
  held: CallersInQueue;
  keyring: Keyring;
  /** How people sign in to the console at an OpenID provider; undefined: they do not. */
  oidcSignIn: OidcSignIn | undefined;
  edge: Edge;
  requestRates: RequestRates;
  /** Who makes a run counts it. */
  daily: DailyLimits;
  /** Whose word is taken for where a request comes from. */
  proxies: BlockList;
  /** Undefined where no key is set: then no secret is taken. */
  sealer: Sealer | undefined;
  /** Of attempts that are completed later. Undefined likewise: then none is. */
  completionTokens: CompletionTokens | undefined;
  /**
   * Does what is to come once the change is committed, and before it is answered: at once, or, where the transaction of the
   * request goes on, after it. It is given parts of its own.
   */
  afterCommit(work: (parts: ApiParts) => Promise<void>): Promise<void>;
  /** Aborts when the API stops: whoever follows is let go. */
  stopping: AbortSignal;
  /** Aborts a while after that: whoever still waits for the end of a call is let go. */
  lettingGo: LazyAbort;
}

/** What Hono hands from the key check to the routes. */
export interface ApiEnv {
  Bindings: {
    incoming?: IncomingMessage;
    outgoing?: ServerResponse;
    /** It was made of another request, whose these are. */
    isInner?: true;
  };
  Variables: {
    owner: KeyOwner;
    span?: Span;
    /** Where what to do about errors is told, by their codes: answers of errors lead there. */
    errorsAddress?: string;
    /** Of `/mcp`: asks the API's own routes, over the same connection. */
    dispatch?(request: Request): Promise<Response>;
  };
}

/** Node's own request; undefined where there is no connection, as in tests that have no server. */
export function incomingOf(context: Context<ApiEnv>): IncomingMessage | undefined {
  const bindings: ApiEnv["Bindings"] | undefined = context.env;
  return bindings?.incoming;
}

/** The same where it is this very request, with its headers and its body. */
export function ownIncomingOf(context: Context<ApiEnv>): IncomingMessage | undefined {
  const bindings: ApiEnv["Bindings"] | undefined = context.env;
  return bindings?.isInner ? undefined : bindings?.incoming;
}

/** What goes out on it. */
export function outgoingOf(context: Context<ApiEnv>): ServerResponse | undefined {
  const bindings: ApiEnv["Bindings"] | undefined = context.env;
  return bindings?.outgoing;
}
