import type { Context } from "hono";
import { toWireFunction } from "../../core/contracts/function.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunction } from "./function-of-path.ts";

/** The function of the path as it stands now. */
export async function answerFunction(
  { store, functionCaps }: ApiParts,
  context: Context<ApiEnv>,
): Promise<Response> {
  const fn = await requireFunction(store.db, context);
  return context.json(toWireFunction(fn, functionCaps));
}
