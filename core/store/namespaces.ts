/** Namespaces: the tenants of an installation. States: open → closed (it is being deleted) → gone. */

import type { NamespaceEgress } from "../domain/namespace-egress.ts";
import { fillNamespaceLimits, type NamespaceLimits } from "../domain/namespace-limits.ts";
import { conflict } from "../errors.ts";
import type { QueryScope } from "./database.ts";
import { newId } from "./ids.ts";
import type { Transaction } from "./transaction.ts";

export interface Namespace {
  id: string;
  name: string;
  createdAt: Date;
  /** Since when it is being deleted; null: it is open. */
  closedAt: Date | null;
  /** Null: none. */
  limits: NamespaceLimits | null;
  /** Null: where everybody may go. */
  egress: NamespaceEgress | null;
}

const COLUMNS = `id, name, created_at AS "createdAt", closed_at AS "closedAt", limits, egress`;

const toNamespace = (row: Namespace): Namespace => ({ ...row, limits: fillNamespaceLimits(row.limits) });

export async function findNamespace({ pool }: QueryScope, name: string): Promise<Namespace | undefined> {
  const { rows } = await pool.query<Namespace>({
    name: "find-namespace",
    text: `SELECT ${COLUMNS} FROM namespaces WHERE name = $1`,
    values: [name],
  });
  return rows[0] && toNamespace(rows[0]);
}

/** Held to the end of the transaction: it is neither closed nor changed beside. 409 where it is being deleted. */
export async function lockOpenNamespace({ pool }: Transaction, id: string): Promise<void> {
  const { rows } = await pool.query<Pick<Namespace, "name" | "closedAt">>(
    `SELECT name, closed_at AS "closedAt" FROM namespaces WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
  );
  if (!rows[0] || rows[0].closedAt) throw namespaceClosed(rows[0]?.name ?? "of this key");
}

/** 409: it takes nothing new. */
export const namespaceClosed = (name: string) =>
  conflict(`The namespace ${name} is being deleted: it accepts nothing new.`, "namespace_closed");

/** More than anybody has; each costs a claim a look where there is more work than room. */
export const MAX_NAMESPACES = 10_000;

/** 409 where there is one of that name, also one that is going, or as many as there may be. */
export async function createNamespace(tx: Transaction, name: string): Promise<Namespace> {
  const { rows } = await tx.pool.query<Namespace>(
    `INSERT INTO namespaces (id, name) SELECT $1, $2 WHERE (SELECT count(*) FROM namespaces) < $3
     ON CONFLICT (name) DO NOTHING RETURNING ${COLUMNS}`,
    [newId(), name, MAX_NAMESPACES],
  );
  if (rows[0]) return toNamespace(rows[0]);
  if (await findNamespace(tx, name))
    throw conflict(`The namespace ${name} already exists.`, "namespace_taken");
  throw conflict(`There are already ${MAX_NAMESPACES} namespaces, the maximum.`, "too_many_namespaces");
}

/** Newest first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listNamespaces(
  { pool }: QueryScope,
  limit: number,
  beforeId: string | undefined,
): Promise<Namespace[]> {
  const { rows } = await pool.query<Namespace>(
    `SELECT ${COLUMNS} FROM namespaces WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
    [beforeId ?? null, limit + 1],
  );
  return rows.map(toNamespace);
}
