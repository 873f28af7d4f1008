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

/** Never rejects: what goes wrong goes wrong again where it matters. */
export async function rehearseCall(store: Store, sandbox: Sandbox, caps: FunctionLimitCaps): Promise<void> {
  const id = newId();
  await Promise.allSettled([loadRevision(store.db, id), loadSealedEnv(store, id)]);
  const { concurrency: _store, ...limits } = effectiveLimits({}, caps);
  const invocation = {
    ...{ runId: id, namespaceId: id, revisionId: id, code: "", input: null, env: {}, limits },
    ...({ attempt: 1, trigger: "http", scheduledFor: new Date(), reuse: false } as const),
    traceparent: createTraceparent(id),
  };
  await sandbox.invoke(invocation, { signal: new LazyAbort(), onLog() {}, http: CALL });
}
