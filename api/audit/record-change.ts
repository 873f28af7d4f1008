/**
 * An audited change and its entry in the log are one transaction: neither is there without the other, and what is answered
 * is in the log. A handler need not know; what it makes known to others is held back until the commit.
 */
import { isDeepStrictEqual } from "node:util";
import type { Context } from "hono";
import type { ActorKind } from "../../core/contracts/audit.ts";
import { describeChange } from "../../core/domain/audit.ts";
import { lockResource, OF_INSTALLATION, recordAudit } from "../../core/store/audit-log.ts";
import { newId } from "../../core/store/ids.ts";
import { type KeyOwner, SETTING_KEY_NAME } from "../../core/store/keys.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { holdBody } from "../bodies/hold-body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { clientAddressOf } from "../http/client-address.ts";
import { inOneTransaction } from "../http/in-one-transaction.ts";
import { type AuditedRequest, type AuditSpec, LazyBody, type Route } from "../http/route.ts";

export type InChange = <Answered>(work: (parts: ApiParts) => Promise<Answered>) => Promise<Answered>;

interface Asked {
  parts: ApiParts;
  context: Context<ApiEnv>;
  owner: KeyOwner;
  params: Record<string, string>;
  query: unknown;
}

const isSpec = (audit: Route["audit"]): audit is AuditSpec => audit !== undefined && "resource" in audit;

/** Whether its handler is called within the transaction. */
export const isRecorded = ({ audit }: Route): boolean => isSpec(audit) && audit.by !== "handler";

/**
 * What a change of the route waits for first, in a transaction that locks besides: two that lock in different orders would
 * wait for each other.
 */
export async function lockChanged({ audit }: Route, asked: AuditedRequest, tx: Transaction): Promise<void> {
  if (isSpec(audit)) await lockIdentified(audit, await identify(audit, asked), tx);
}

/** What is changed, where it is known before. */
async function lockIdentified(
  { resource, isOfInstallation }: AuditSpec,
  { owner, params }: AuditedRequest,
  tx: Transaction,
): Promise<string | undefined> {
  const known = fillIn(resource, params);
  if (known !== undefined)
    await lockResource(tx, isOfInstallation ? OF_INSTALLATION : owner.namespaceId, known);
  return known;
}

/** Does the work, and writes the entry. Where it throws, nothing stays of either. */
export async function recordChange<Answered>(
  route: Route,
  asked: Asked,
  work: (parts: ApiParts) => Promise<Answered>,
): Promise<Answered> {
  const { audit, operationId, entity } = route;
  if (!isSpec(audit)) throw new Error(`${operationId} is not audited`);
  const { parts, context } = asked;
  const held = readsOwnBody(route) ? await holdBody(context) : undefined;
  return await inOneTransaction(parts, async (inside, tx) => {
    held?.putBack();
    // Nothing has a name that cannot be stored: there is nothing to lock, and its handler says so.
    if (Object.values(asked.params).some((name) => name.includes("\0"))) return await work(inside);
    const request = await identify(audit, { ...asked, parts: inside });
    const known = await lockIdentified(audit, request, tx);
    // Who changes it without an entry, as a task that fires, does so before the first look or after the second.
    await entity?.lock(tx, asked.owner.namespaceId, asked.params);
    const before = known === undefined ? undefined : await readAudited(route, request);
    const answer = await work(inside);
    const address = clientAddressOf(context, parts);
    await writeEntry(tx, { route, audit, request, before, address }, answer);
    return answer;
  });
}

/** Within the transaction: others are read before it. */
const readsOwnBody = (route: Route): boolean => route.ownBody !== undefined && isRecorded(route);

async function identify(audit: AuditSpec, request: AuditedRequest): Promise<AuditedRequest> {
  if (!audit.identify) return request;
  return { ...request, params: { ...request.params, ...(await audit.identify(request)) } };
}

/** Undefined where something that it names is not known. */
function fillIn(resource: string, names: AuditedRequest["params"]): string | undefined {
  const parts = resource.split("/").map((part) => (part.startsWith(":") ? names[part.slice(1)] : part));
  return parts.includes(undefined) ? undefined : parts.join("/");
}

/** It as it stands, without what changes by itself. */
async function readAudited({ audit, entity }: Route, request: AuditedRequest): Promise<object | undefined> {
  const found = isSpec(audit) ? await audit.read?.(request) : undefined;
  if (!found || !entity) return found;
  return Object.fromEntries(Object.entries(found).filter(([name]) => !entity.leaves.includes(name)));
}

interface Change {
  route: Route;
  audit: AuditSpec;
  request: AuditedRequest;
  before: object | undefined;
  address: string | null;
}

async function writeEntry(tx: Transaction, change: Change, answer: unknown): Promise<void> {
  const { route, audit, request, address } = change;
  const { status, body } = answer as { status: number; body?: Record<string, unknown> };
  if (body instanceof LazyBody) throw new Error(`${route.operationId} is audited: its answer must be made`);
  if (audit.isChange && !audit.isChange(request, body)) return;
  const named = { ...(body as Record<string, string> | undefined), ...dropUnknown(request.params) };
  const other = findOtherMade(request, answer as Made);
  const params = other === undefined ? named : { ...named, id: other };
  const before = other === undefined ? change.before : undefined;
  const { keyId, keyName, namespaceId } = request.owner;
  const after = audit.read
    ? await readAudited(route, { ...request, params })
    : audit.summarize?.(body as never);
  if (audit.read && isDeepStrictEqual(before, after)) return;
  await recordAudit(tx, {
    ...{ id: newId(), namespaceId, isOfInstallation: audit.isOfInstallation ?? false },
    ...{ action: route.operationId, status, actorKind: kindOf(request.owner) },
    ...{ actorKeyId: keyId, actorName: keyName, address },
    resource: fillIn(audit.resource, params) ?? audit.resource,
    ...describeChange(before, after),
  });
}

/** A subject may be called whatever the issuer likes. */
function kindOf({ token, keyName }: KeyOwner): ActorKind {
  if (token) return "token";
  return keyName === SETTING_KEY_NAME ? "setting" : "key";
}

interface Made {
  status: number;
  body?: { id?: string };
}

/** Made in place of what had the name before: a cancelled task has its key until another is made by it. */
function findOtherMade({ params }: AuditedRequest, { status, body }: Made): string | undefined {
  const made = status === 201 ? body?.id : undefined;
  return params["id"] === undefined || made === params["id"] ? undefined : made;
}

const dropUnknown = (params: AuditedRequest["params"]) =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
