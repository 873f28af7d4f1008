/** The first call of a worker, rehearsed: a function that is not there is looked for, and an empty one is run. */
import { effectiveLimits, type FunctionLimitCaps } from "../core/domain/function-limits.ts";
import { LazyAbort } from "../core/lazy-abort.ts";
import type { Store } from "../core/store/database.ts";
import { loadRevision } from "../core/store/functions/functions.ts";
import { newId } from "../core/store/ids.ts";
import { loadSealedEnv } from "../core/store/secrets.ts";
import { createTraceparent } from "./runners/trace-context.ts";
import type { Sandbox } from "./sandbox/invocation.ts";

const HEAD = { method: "GET", url: "http://localhost/", headers: [], hasBody: false };
/** Nobody hears it. */
const CALL = { head: HEAD, onOpen() {}, onHead() {}, onData() {}, onEnd() {}, onPull() {} };

/** Ample for an empty function. */
const WALL_MS = 5_000;

/** Never rejects: what goes wrong goes wrong again where it matters. `signal` ends it. */
export async function rehearseCall(
  store: Store,
  sandbox: Sandbox,
  caps: FunctionLimitCaps,
  signal: AbortSignal | LazyAbort = new LazyAbort(),
): Promise<void> {
  const id = newId();
  await Promise.allSettled([loadRevision(store, id), loadSealedEnv(store, id)]);
  const { concurrency: _store, ...limits } = effectiveLimits({ wallMs: WALL_MS }, caps);
  const invocation = {
    ...{ runId: id, namespaceId: id, revisionId: id, code: "", input: null, env: {}, limits },
    ...({ attempt: 1, trigger: "http", scheduledFor: new Date(), reuse: false } as const),
    // Only made: no span of it is sent.
    traceparent: createTraceparent(id),
  };
  await sandbox.invoke(invocation, { signal, onLog() {}, http: CALL });
}
