/** Namespaces: the tenants of an installation. States: open → closed (it is being deleted) → gone. */
import { conflict } from "../errors.ts";
import type { QueryScope } from "./database.ts";
import type { Transaction } from "./transaction.ts";

export interface Namespace {
  id: string;
  name: string;
  createdAt: Date;
  /** Since when it is being deleted; null: it is open. */
  closedAt: Date | null;
}

const COLUMNS = `id, name, created_at AS "createdAt", closed_at AS "closedAt"`;

export async function findNamespace({ pool }: QueryScope, name: string): Promise<Namespace | undefined> {
  const { rows } = await pool.query<Namespace>({
    name: "find-namespace",
    text: `SELECT ${COLUMNS} FROM namespaces WHERE name = $1`,
    values: [name],
  });
  return rows[0];
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
  conflict(`The namespace ${name} is being deleted: it takes nothing new.`, "namespace_closed");
