import type { Context } from "hono";
import { nameField } from "../../core/contracts/common.ts";
import type { FunctionSummary } from "../../core/contracts/function.ts";
import { notFound } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import { findFunction, findFunctionEver } from "../../core/store/functions/functions.ts";
import type { ApiEnv } from "../environment.ts";

/** The name in the path; one that cannot be is not there. */
export function requireName(context: Context<ApiEnv>): string {
  const name = context.req.param("name") ?? "";
  if (!nameField.safeParse(name).success) throw notFound("function", name);
  return name;
}

/** The function of the path, in the key's namespace; 404 where there is none. */
export async function requireFunction(db: Db, context: Context<ApiEnv>): Promise<FunctionSummary> {
  const name = requireName(context);
  const fn = await findFunction(db, context.get("owner").namespaceId, name);
  if (!fn) throw notFound("function", name);
  return fn;
}

/** The same, or the last one of that name that was removed: what it left can be read. */
export async function requireFunctionEver(db: Db, context: Context<ApiEnv>): Promise<FunctionSummary> {
  const name = requireName(context);
  const fn = await findFunctionEver(db, context.get("owner").namespaceId, name);
  if (!fn) throw notFound("function", name);
  return fn;
}
