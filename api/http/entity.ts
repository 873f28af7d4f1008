/**
 * Things that are changed under a condition: `ETag` says what a caller has seen, `If-Match` that nothing else is to be
 * changed (RFC 9110, 13.1.1). The thing is locked, looked at and changed in one transaction; who sends no condition pays for
 * none of it.
 */
import type { Context } from "hono";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { holdBody } from "../bodies/hold-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hashContent } from "./content-hash.ts";
import { inOneTransaction } from "./in-one-transaction.ts";

export interface Entity {
  /** Fields of its answers that change by themselves: a change under a condition does not mind them. */
  leaves: readonly string[];
  /** Nobody changes it before the transaction's end; fine where there is none. */
  lock(tx: Transaction, namespaceId: string, params: Record<string, string>): Promise<void>;
  /** As its GET shows it; undefined: there is none. */
  read(parts: ApiParts, namespaceId: string, params: Record<string, string>): Promise<object | undefined>;
}

/**
 * In two halves: what the thing is, and what changes by itself. A change is made where the first is as its caller has seen
 * it; who has the thing already has it only where both are. The same content has the same, in whatever order its fields are.
 */
export function tagOf({ leaves }: Pick<Entity, "leaves">, body: object): string {
  const hash = (isLeft: boolean): string => {
    const fields = Object.entries(body).filter(([name]) => leaves.includes(name) === isLeft);
    return hashContent(Object.fromEntries(fields) as Json).toString("base64url");
  };
  return `"${hash(false)}.${hash(true)}"`;
}

/** Of `If-None-Match`: whether a list of tags, or `*`, has this one, weak or not. */
export function hasTag(list: string, tag: string): boolean {
  return isAny(list) || tagsIn(list).some((each) => each === tag || each === `W/${tag}`);
}

/** Of `If-Match`: whether a list has a tag of the same thing, or is `*`. Weak tags match nothing. */
export function hasSame(list: string, tag: string): boolean {
  return isAny(list) || tagsIn(list).some((each) => firstHalf(each) === firstHalf(tag));
}

const isAny = (list: string): boolean => list.trim() === "*";
const tagsIn = (list: string): string[] => list.match(/(?:W\/)?"[^"]*"/g) ?? [];
const firstHalf = (tag: string): string => tag.split(".")[0]!;

type Respond = (parts: ApiParts) => Promise<Response>;

/** 412 where the thing is another than the caller has seen, or there is none. */
export async function answerIfMatch(
  context: Context<ApiEnv>,
  parts: ApiParts,
  entity: Entity,
  respond: Respond,
  lockFirst: (parts: ApiParts, tx: Transaction) => Promise<void>,
): Promise<Response> {
  const wanted = context.req.header("if-match")!;
  const params = context.req.param() as Record<string, string>;
  const { namespaceId } = context.get("owner");
  const held = await holdBody(context);
  return await inOneTransaction(parts, async (inside, tx) => {
    held.putBack();
    await lockFirst(inside, tx);
    await entity.lock(tx, namespaceId, params);
    const standing = await entity.read(inside, namespaceId, params);
    if (!standing || !hasSame(wanted, tagOf(entity, standing)))
      throw new BellhopError("precondition_failed", 412, PROBLEM_CODES.precondition_failed);
    return await respond(inside);
  });
}
