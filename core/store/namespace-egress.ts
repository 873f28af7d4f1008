/** Where requests of namespaces may go: said by an operator, obeyed by workers. */
import type { NamespaceEgress } from "../domain/namespace-egress.ts";
import type { QueryScope } from "./database.ts";
import { toJsonText } from "./json-text.ts";
import { findNamespace, type Namespace, namespaceClosed } from "./namespaces.ts";

/** Undefined: there is no such namespace. 409 where it is being deleted. */
export async function saveNamespaceEgress(
  scope: QueryScope,
  name: string,
  egress: NamespaceEgress,
): Promise<Pick<Namespace, "id"> | undefined> {
  const isAny = egress.allow.length === 0 && egress.deny.length === 0 && egress.hosts === null;
  const { rows } = await scope.pool.query<{ id: string }>(
    "UPDATE namespaces SET egress = $2 WHERE name = $1 AND closed_at IS NULL RETURNING id",
    [name, isAny ? null : toJsonText(egress)],
  );
  if (!rows[0] && (await findNamespace(scope, name))) throw namespaceClosed(name);
  return rows[0];
}

/** Of those that have rules of their own, by their ids. */
export async function loadNamespaceEgress({ pool }: QueryScope): Promise<Map<string, NamespaceEgress>> {
  const { rows } = await pool.query<{ id: string; egress: NamespaceEgress }>({
    name: "load-namespace-egress",
    text: "SELECT id, egress FROM namespaces WHERE egress IS NOT NULL",
  });
  return new Map(rows.map(({ id, egress }) => [id, egress]));
}
