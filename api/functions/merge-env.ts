import { changedEnv, type FunctionPatch } from "../../core/contracts/function.ts";
import { validate } from "../bodies/body.ts";

/** Settings with a change, as RFC 7396 has it: null takes a name away. 422 where that passes the bounds of an upload. */
export function mergeEnv(
  standing: Record<string, string>,
  patch: FunctionPatch["env"],
): Record<string, string> {
  if (patch === undefined) return standing;
  if (patch === null) return {};
  const merged = new Map(Object.entries(standing));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, value);
  }
  return validate(changedEnv, { env: Object.fromEntries(merged) }).env;
}
