/** Webhooks: tokens that trigger a function from outside. A token is stored as its SHA-256 only. */
import { randomBytes } from "node:crypto";
import type { AskedLimits } from "../../domain/function-limits.ts";
import type { HookGuards } from "../../domain/hook.ts";
import { DEFAULT_PLACE, isDefaultPlace, type QueuePlace } from "../../domain/limit-keys.ts";
import { conflict } from "../../errors.ts";
import type { Db, Store } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { hashKey } from "../keys.ts";

export const MAX_HOOKS = 20;
const TOKEN = /^bhk_[A-Za-z0-9_-]{43}$/;

interface Hook extends HookGuards {
  id: string;
  name: string | null;
  /** The revision it triggers; null: as the function's traffic goes. */
  tag: string | null;
  /** How often a call is tried at most. */
  maxAttempts: number;
  /** Where its calls stand. */
  place: QueuePlace;
  createdAt: Date;
}

const COLUMNS = [
  "id",
  "name",
  "tag",
  "max_attempts as maxAttempts",
  "place",
  "verify",
  "rate",
  "created_at as createdAt",
] as const;

/** The column is null for most. */
const withPlace = <Row extends { place: QueuePlace | null }>(row: Row) => ({
  ...row,
  place: row.place ?? DEFAULT_PLACE,
});

/** Undefined where the function was removed; 409 where it has too many. */
export async function createHook(
  db: Db,
  functionId: string,
  { name, tag, maxAttempts, place, verify, rate }: Omit<Hook, "id" | "createdAt">,
): Promise<{ hook: Hook; token: string } | undefined> {
  const token = `bhk_${randomBytes(32).toString("base64url")}`;
  return await db.transaction().execute(async (tx) => {
    const fn = await tx
      .selectFrom("functions")
      .select("id")
      .where("id", "=", functionId)
      .where("removed_at", "is", null)
      .forUpdate()
      .executeTakeFirst();
    if (!fn) return undefined;
    const others = await listHooks(tx, functionId);
    if (others.length >= MAX_HOOKS)
      throw conflict(`A function has at most ${MAX_HOOKS} hooks.`, "too_many_hooks");
    const hook = await tx
      .insertInto("function_hooks")
      .values({
        ...{ id: newId(), function_id: functionId, name, tag },
        ...{ max_attempts: maxAttempts, place: isDefaultPlace(place) ? null : toJsonText(place) },
        ...{ verify: verify && toJsonText(verify), rate: rate && toJsonText(rate) },
        token_hash: hashKey(token),
      })
      .returning(COLUMNS)
      .executeTakeFirstOrThrow();
    return { hook: withPlace(hook), token };
  });
}

/** Newest first; they are few. */
export async function listHooks(db: Db, functionId: string): Promise<Hook[]> {
  const rows = await db
    .selectFrom("function_hooks")
    .select(COLUMNS)
    .where("function_id", "=", functionId)
    .orderBy("id", "desc")
    .execute();
  return rows.map(withPlace);
}

export async function removeHook(db: Db, functionId: string, hookId: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom("function_hooks")
    .where("function_id", "=", functionId)
    .where("id", "=", hookId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** What a token triggers. */
export interface HookTarget extends HookGuards {
  hookId: string;
  namespaceId: string;
  functionName: string;
  tag: string | null;
  maxAttempts: number;
  place: QueuePlace;
  /** Of the revision that leads, as asked for. */
  limits: AskedLimits;
}

export async function findHook(store: Store, token: string): Promise<HookTarget | undefined> {
  if (!TOKEN.test(token)) return undefined;
  const { rows } = await store.pool.query<HookTarget & { place: QueuePlace | null }>({
    name: "find-hook",
    text: `SELECT h.id AS "hookId", f.namespace_id AS "namespaceId", f.name AS "functionName", h.tag,
        h.max_attempts AS "maxAttempts", h.place, h.verify, h.rate, coalesce(v.limits, '{}') AS limits
      FROM function_hooks h JOIN functions f ON f.id = h.function_id AND f.removed_at IS NULL
        LEFT JOIN function_revisions v ON v.id = f.active_revision_id
      WHERE h.token_hash = $1`,
    values: [hashKey(token)],
  });
  return rows[0] && withPlace(rows[0]);
}
