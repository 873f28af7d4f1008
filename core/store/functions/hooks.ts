/**
 * Webhooks: tokens that trigger a function or a task from outside. A token is stored as its SHA-256 only. A task's row says
 * nothing of tag, attempts and place: those are its task's.
 */
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

/** How a function is called. */
interface HookedCall {
  /** The revision it triggers; null: as the function's traffic goes. */
  tag: string | null;
  /** How often a call is tried at most. */
  maxAttempts: number;
  /** Where its calls stand. */
  place: QueuePlace;
}

interface Hook extends HookGuards, HookedCall {
  id: string;
  name: string | null;
  createdAt: Date;
}

/** What it triggers. */
export type HookOwner = { functionId: string } | { taskId: string };

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

const columnOf = (owner: HookOwner) =>
  "taskId" in owner ? (["task_id", owner.taskId] as const) : (["function_id", owner.functionId] as const);

/** Held to the end of the transaction: it is not removed, and its hooks are made one after another. */
async function holdOwner(tx: Db, owner: HookOwner): Promise<boolean> {
  const [column, id] = columnOf(owner);
  const held = await tx
    .selectFrom(column === "task_id" ? "tasks" : "functions")
    .select("id")
    .where("id", "=", id)
    .where("removed_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
  return held !== undefined;
}

type NewHook = HookGuards & { name: string | null } & Partial<HookedCall>;

/** Undefined where the function or task was removed; 409 where it has too many. */
export async function createHook(
  db: Db,
  owner: HookOwner,
  { name, tag = null, maxAttempts = 1, place = DEFAULT_PLACE, verify, rate }: NewHook,
): Promise<{ hook: Hook; token: string } | undefined> {
  const token = `bhk_${randomBytes(32).toString("base64url")}`;
  return await db.transaction().execute(async (tx) => {
    if (!(await holdOwner(tx, owner))) return undefined;
    const others = await listHooks(tx, owner);
    if (others.length >= MAX_HOOKS) {
      const what = "taskId" in owner ? "task" : "function";
      throw conflict(`A ${what} has at most ${MAX_HOOKS} hooks.`, "too_many_hooks");
    }
    const [column, ownerId] = columnOf(owner);
    const hook = await tx
      .insertInto("function_hooks")
      .values({
        ...{ id: newId(), [column]: ownerId, name, tag },
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
export async function listHooks(db: Db, owner: HookOwner): Promise<Hook[]> {
  const [column, id] = columnOf(owner);
  const rows = await db
    .selectFrom("function_hooks")
    .select(COLUMNS)
    .where(column, "=", id)
    .orderBy("id", "desc")
    .execute();
  return rows.map(withPlace);
}

export async function removeHook(db: Db, owner: HookOwner, hookId: string): Promise<boolean> {
  const [column, id] = columnOf(owner);
  const { numDeletedRows } = await db
    .deleteFrom("function_hooks")
    .where(column, "=", id)
    .where("id", "=", hookId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

interface Target extends HookGuards {
  hookId: string;
  namespaceId: string;
}

export interface HookedFunction extends Target, HookedCall {
  taskId: null;
  functionName: string;
  /** Of the revision that leads, as asked for. */
  limits: AskedLimits;
}

export interface HookedTask extends Target {
  taskId: string;
}

/** What a token triggers. */
export type HookTarget = HookedFunction | HookedTask;

export async function findHook(store: Store, token: string): Promise<HookTarget | undefined> {
  if (!TOKEN.test(token)) return undefined;
  const { rows } = await store.pool.query<
    HookedTask | (Omit<HookedFunction, "place"> & { place: QueuePlace | null })
  >({
    name: "find-hook",
    text: `SELECT h.id AS "hookId", n.id AS "namespaceId", h.task_id AS "taskId", f.name AS "functionName", h.tag,
        h.max_attempts AS "maxAttempts", h.place, h.verify, h.rate, coalesce(v.limits, '{}') AS limits
      FROM function_hooks h
        LEFT JOIN functions f ON f.id = h.function_id AND f.removed_at IS NULL
        LEFT JOIN function_revisions v ON v.id = f.active_revision_id
        LEFT JOIN tasks t ON t.id = h.task_id AND t.removed_at IS NULL
        JOIN namespaces n ON n.id = coalesce(f.namespace_id, t.namespace_id) AND n.closed_at IS NULL
      WHERE h.token_hash = $1`,
    values: [hashKey(token)],
  });
  const found = rows[0];
  return found && (found.taskId === null ? withPlace(found) : found);
}
