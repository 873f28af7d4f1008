import { openNestedStore } from "../../core/store/nested-store.ts";
import { inTransaction, type Transaction } from "../../core/store/transaction.ts";
import type { ApiParts } from "../environment.ts";
import { deferEffects } from "./defer-effects.ts";

/**
 * Does the work with parts of which all statements are one transaction. Others hear of it once that is committed. After a
 * deadlock `work` is done once more, from its beginning.
 */
export async function inOneTransaction<Result>(
  parts: ApiParts,
  work: (inside: ApiParts, tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const { result, release } = await inTransaction(parts.store.pool, async (tx) => {
    const deferred = deferEffects({ ...parts, store: openNestedStore(parts.store, tx) });
    return { result: await work(deferred.parts, tx), release: deferred.release };
  });
  await release();
  return result;
}
