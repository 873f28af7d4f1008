import { nameField } from "../../core/contracts/common.ts";
import type { FunctionSummary } from "../../core/contracts/function.ts";
import { notFound } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import { findFunction, findFunctionEver } from "../../core/store/functions/functions.ts";

/** The name in a path; one that cannot be is not there. */
export function requireName(name: string): string {
  if (!nameField.safeParse(name).success) throw notFound("function", name);
  return name;
}

/** The function of that name in the namespace; 404 where there is none. */
export async function requireFunction(db: Db, namespaceId: string, name: string): Promise<FunctionSummary> {
  const fn = await findFunction(db, namespaceId, requireName(name));
  if (!fn) throw notFound("function", name);
  return fn;
}

/** The same, or the last one of that name that was removed: what it left can be read. */
export async function requireFunctionEver(
  db: Db,
  namespaceId: string,
  name: string,
): Promise<FunctionSummary> {
  const fn = await findFunctionEver(db, namespaceId, requireName(name));
  if (!fn) throw notFound("function", name);
  return fn;
}
