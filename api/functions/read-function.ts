import { toWireFunction, type WireFunction } from "../../core/contracts/function-output.ts";
import type { ApiParts } from "../environment.ts";
import { requireFunction } from "./function-of-path.ts";

/** The function as it stands now. */
export async function readFunction(
  { store, functionCaps }: Pick<ApiParts, "store" | "functionCaps">,
  namespaceId: string,
  name: string,
): Promise<WireFunction> {
  return toWireFunction(await requireFunction(store.db, namespaceId, name), functionCaps);
}
