/** A database that has done what a worker asked, and has not said so yet. */
import type { TestContext } from "node:test";
import type { Store } from "../../core/store/database.ts";
import { store } from "./open-worker.ts";

const forwarding = <T extends object>(target: T, own: Partial<T>): T =>
  new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(key in own ? own : target, key) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

/** A store whose claims that find something, and whose transactions, are answered when the test says so, or ends. */
export function withholdAnswers(t: TestContext) {
  const written = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  t.after(() => answered.resolve());
  const withhold = async () => {
    written.resolve();
    await answered.promise;
  };
  const query = async (...args: [query: string | { name: string }]) => {
    const answer = await store.plannedPool.query(...(args as [string]));
    const name = typeof args[0] === "object" ? args[0].name : "";
    // A claim's rows come as arrays, which begin with the run's id.
    if (name === "reserve-direct-run" || (name.startsWith("claim-") && answer.rows[0][0] !== null))
      await withhold();
    return answer;
  };
  return {
    store: {
      ...store,
      plannedPool: forwarding(store.plannedPool, { query: query as typeof store.plannedPool.query }),
    } satisfies Store,
    /** Resolves when the row says that the run is the worker's. */
    written: written.promise,
    answer: () => answered.resolve(),
  };
}
