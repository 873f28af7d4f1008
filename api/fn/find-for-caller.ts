/** Who may call a function by its URL, and what everybody else is told. */
import type { Context } from "hono";
import { grants } from "../../core/domain/scopes.ts";
import { notFound } from "../../core/errors.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import { scopesIn } from "../auth/act-in.ts";
import { bearerOf, identify, readKey } from "../auth/authenticate.ts";
import { demandFunction, demandScope, isForFunction } from "../auth/scopes.ts";
import type { ApiParts } from "../environment.ts";
import type { FnTarget } from "./request.ts";

export interface FoundForCaller {
  fn: CallableFunction;
  target: FnTarget;
  /** Whether the function may see the Authorization header: it holds no key or token of the platform's. */
  showsAuthorization: boolean;
}

/**
 * Whoever has no valid key gets the same 401 for all that is not public, whether it is there or not: no such namespace,
 * function or tag, or a private one. With a key of another namespace it is the same 404, and with one that may not call it
 * the same 403.
 */
export async function findForCaller(
  parts: Pick<ApiParts, "callables" | "keyring">,
  context: Context,
  target: FnTarget | undefined,
): Promise<FoundForCaller> {
  const shown = readKey(context);
  const { callables, keyring } = parts;
  const known = target && callables.recallPublic(target.namespace, target.name);
  const bearer = bearerOf(context);
  const isForOthers = bearer === undefined || !keyring.isOwnToken(bearer);
  if (target && known && hasTag(known, target)) return { fn: known, target, showsAuthorization: isForOthers };
  const { owner, refusal } = await identify(keyring, shown);
  const scopes = target && owner && scopesIn(owner, target.namespace);
  const mayCall = scopes && grants(scopes, "invoke") && isForFunction(owner, target.name);
  const fn = await (mayCall
    ? callables.find(target.namespace, target.name)
    : target && callables.findPublic(target.namespace, target.name));
  if (target && fn && hasTag(fn, target)) {
    return { fn, target, showsAuthorization: isForOthers && (fn.isPublic || shown.isOwnHeader) };
  }
  if (refusal) throw refusal;
  if (scopes) demandScope({ ...owner, scopes }, "invoke");
  if (scopes) demandFunction(owner, target.name);
  // Strangers are told what they asked for, whatever of it is there.
  throw notFound("function", scopes ? nameTarget(target) : context.req.path.slice("/fn/".length));
}

const nameTarget = ({ name, tag }: FnTarget) => (tag === undefined ? name : `${name}@${tag}`);

function hasTag({ tags }: CallableFunction, { tag }: FnTarget): boolean {
  return tag === undefined || Object.hasOwn(tags, tag);
}
