/**
 * Things that are changed under a condition: `ETag` says what a caller has seen, `If-Match` that nothing else is to be
 * changed, `If-None-Match` that it must be another, or not there (RFC 9110, 13.1). The thing is locked, looked at and changed
 * in one transaction; who sends no condition pays for none of it.
 */
import type { Context } from "hono";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { holdBody } from "../bodies/hold-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hashContent } from "./content-hash.ts";
import { headerOf } from "./header-of.ts";
import { inOneTransaction } from "./in-one-transaction.ts";

export interface Entity {
  /** Fields of its answers that change by themselves: a change under a condition does not mind them. */
  leaves: readonly string[];
  /** Its answer as it will be by itself, such as without a pause that has an end; left out: what is not in `leaves` stays. */
  settle?(body: object): object;
  /** Nobody changes it before the transaction's end; fine where there is none. */
  lock(tx: Transaction, namespaceId: string, params: Record<string, string>): Promise<void>;
  /** As its GET shows it; undefined: there is none. */
  read(parts: ApiParts, namespaceId: string, params: Record<string, string>): Promise<object | undefined>;
}

/**
 * In two halves: what the thing is, and what changes by itself. A change is made where the first is as its caller has seen
 * it; who has the thing already has it only where both are. The same content has the same, in whatever order its fields are.
 */
export function tagOf(
  { leaves, settle = (shown) => shown }: Pick<Entity, "leaves" | "settle">,
  body: object,
): string {
  const settled = Object.entries(settle(body)).filter(([name]) => !leaves.includes(name));
  const stays = new Map(settled);
  const passing = Object.entries(body).filter(
    ([name, value]) => !stays.has(name) || stays.get(name) !== value,
  );
  const [first, second] = [settled, passing].map((fields) =>
    hashContent(Object.fromEntries(fields) as Json).toString("base64url"),
  );
  return `"${first}.${second}"`;
}

/** Of `If-None-Match`: whether a list of tags, or `*`, has this one, weak or not. */
export function hasTag(list: string, tag: string): boolean {
  return isAny(list) || tagsIn(list).some((each) => each === tag || each === `W/${tag}`);
}

/** Of `If-Match`: whether a list has a tag of the same thing, or is `*`. Weak tags match nothing. */
export function hasSame(list: string, tag: string): boolean {
  return isAny(list) || tagsIn(list).some((each) => firstHalf(each) === firstHalf(tag));
}

/** Of `If-None-Match` of a change: whether a list has a tag of the same thing, weak or not, or is `*`. */
const hasSameOrWeak = (list: string, tag: string): boolean => hasSame(list.replaceAll('W/"', '"'), tag);

const TAG = /(?:W\/)?"[^"]*"/g;
const isAny = (list: string): boolean => list.trim() === "*";
const tagsIn = (list: string): string[] => list.match(TAG) ?? [];
/** `*`, or tags with commas between them. */
const isReadable = (list: string): boolean =>
  /^\s*(?:\*|(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*)\s*$/.test(list);
const firstHalf = (tag: string): string => tag.split(".")[0]!;

export const preconditionFailed = () =>
  new BellhopError("precondition_failed", 412, PROBLEM_CODES.precondition_failed);

/** What a route says of itself. */
interface Conditional {
  method: string;
  entity?: Entity;
}

/**
 * 400 where a condition cannot be looked at, so that none is taken for fulfilled. A GET of what has no tag is answered
 * whatever `If-None-Match` has: nothing is lost by that.
 */
export function refuseConditions(context: Context<ApiEnv>, { method, entity }: Conditional): void {
  const headers = method === "GET" ? ["If-Match"] : ["If-Match", "If-None-Match"];
  for (const name of headers) {
    const value = headerOf(context, name.toLowerCase());
    if (value === undefined || (entity && isReadable(value))) continue;
    const why = entity
      ? "is not `*` or a list of tags in quotes"
      : "is not supported: this resource has no ETag";
    throw new BellhopError("unsupported_condition", 400, `The header ${name} ${why}; nothing was changed.`);
  }
}

/** Of a change. */
export const hasCondition = (context: Context<ApiEnv>): boolean =>
  headerOf(context, "if-match") !== undefined || headerOf(context, "if-none-match") !== undefined;

type Respond = (parts: ApiParts) => Promise<Response>;

/** 412 where the thing is not as the conditions say. */
export async function answerUnderConditions(
  context: Context<ApiEnv>,
  parts: ApiParts,
  entity: Entity,
  respond: Respond,
  lockFirst: (parts: ApiParts, tx: Transaction) => Promise<void>,
): Promise<Response> {
  const [match, noneMatch] = [context.req.header("if-match"), context.req.header("if-none-match")];
  const params = context.req.param() as Record<string, string>;
  const { namespaceId } = context.get("owner");
  const held = await holdBody(context);
  return await inOneTransaction(parts, async (inside, tx) => {
    held.putBack();
    await lockFirst(inside, tx);
    await entity.lock(tx, namespaceId, params);
    const read = () => entity.read(inside, namespaceId, params);
    const standing = await read();
    const tag = standing && tagOf(entity, standing);
    if (match !== undefined && !(tag && hasSame(match, tag))) throw preconditionFailed();
    if (noneMatch !== undefined && tag && hasSameOrWeak(noneMatch, tag)) throw preconditionFailed();
    const response = await respond(inside);
    // What is not there cannot be locked: another may have made it meanwhile, and this has changed that.
    if (!standing && response.status !== 201 && (await read())) throw preconditionFailed();
    return response;
  });
}
