/** What the API must know of a function to call it, in one look. */
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { Traffic } from "../../domain/traffic.ts";
import type { Store } from "../database.ts";

export interface CallableFunction {
  id: string;
  namespaceId: string;
  name: string;
  traffic: Traffic;
  /** Tag → revision id. */
  tags: Record<string, string>;
  /** Whether its URL needs no key. */
  isPublic: boolean;
  /** Whether limits or a pause of the queue `default`, or the namespace's limit of runs at once, hold for calls of it. */
  isDefaultLimited: boolean;
  /** Of the revision that leads. */
  limits: AskedLimits;
}

const STANDS = "n.closed_at IS NULL AND f.removed_at IS NULL";
const CALLABLE = `f.id, f.namespace_id AS "namespaceId", f.name, f.traffic, f.is_public AS "isPublic",
    coalesce(v.limits, '{}') AS limits,
    EXISTS (SELECT FROM run_limits l WHERE l.is_default AND l.namespace_id = n.id) AS "isDefaultLimited",
    (SELECT coalesce(jsonb_object_agg(tag, revision_id), '{}') FROM function_tags WHERE function_id = f.id) AS tags
  FROM namespaces n JOIN functions f ON f.namespace_id = n.id
    LEFT JOIN function_revisions v ON v.id = f.active_revision_id`;

/** @param isStranger one without a key: then only a public one is found, and looked for in the same time as none */
export async function findCallableFunction(
  store: Store,
  namespace: string,
  name: string,
  isStranger: boolean,
): Promise<CallableFunction | undefined> {
  const { rows } = await store.pool.query<CallableFunction>({
    name: "find-callable",
    text: `SELECT ${CALLABLE}
      WHERE n.name = $1 AND f.name = $2 AND ${STANDS} AND (f.is_public OR NOT $3)`,
    values: [namespace, name, isStranger],
  });
  return rows[0];
}

/** Several, of functions that were there a moment ago; in any order, without those that are gone. */
export async function findCallableFunctions(
  store: Store,
  asked: { namespace: string; name: string }[],
  isStranger: boolean,
): Promise<{ namespace: string; found: CallableFunction }[]> {
  const { rows } = await store.pool.query<CallableFunction & { namespace: string }>({
    name: "find-callables",
    text: `SELECT n.name AS namespace, ${CALLABLE}
      WHERE (n.name, f.name) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        AND ${STANDS} AND (f.is_public OR NOT $3)`,
    values: [asked.map(({ namespace }) => namespace), asked.map(({ name }) => name), isStranger],
  });
  return rows.map(({ namespace, ...found }) => ({ namespace, found }));
}
