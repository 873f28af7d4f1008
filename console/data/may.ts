import type { Schemas } from "../../client/client.ts";
import { currentSession } from "../session/session.ts";

type Scope = Schemas["Caller"]["scopes"][number];

/** Whether who is signed in may do what the scope is for; what the API would refuse is not offered. */
export function may(scope: Scope): boolean {
  const scopes = currentSession()?.caller.scopes ?? [];
  if (scopes.includes(scope) || scopes.includes("operator")) return true;
  return scope !== "operator" && scopes.includes("admin");
}
