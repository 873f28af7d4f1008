/** Keys: made, listed, rotated, revoked; and whose one is. A secret is shown once, where it is made. */

import { idParam, listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import {
  keyInput,
  keyOutput,
  rotationInput,
  type StoredKey,
  shownKeyOutput,
  toWireCaller,
  toWireKey,
  whoamiOutput,
} from "../../core/contracts/key.ts";
import { findBeyond, type KeyPowers } from "../../core/domain/key-limits.ts";
import { BellhopError, invalidField, notFound } from "../../core/errors.ts";
import { newId } from "../../core/store/ids.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { createKey, findStoredKey, listKeys, revokeKey, rotateKey } from "../../core/store/manage-keys.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import type { ApiParts } from "../environment.ts";
import { decodeIdCursor } from "../http/cursor.ts";
import type { AuditSpec } from "../http/route.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const params = { id: idParam("The key's id.") };

/** 403 where the caller would get a key that may do more than his own, or for longer. */
function demandOwnPowers(owner: KeyPowers, wanted: KeyPowers): void {
  const beyond = findBeyond(owner, wanted);
  if (beyond) throw new BellhopError("forbidden", 403, `${beyond.field}: ${beyond.message}`, [beyond]);
}

/** 403 where the caller would get the secret of another who manages keys, and act under its name. */
function demandOwnKey({ keyId }: KeyOwner, { id, scopes }: StoredKey): void {
  if (id === keyId || !scopes.some((scope) => scope === "admin" || scope === "operator")) return;
  const message =
    "An admin's or operator's key can be rotated only by itself: revoke it, or create another one.";
  throw new BellhopError("forbidden", 403, message);
}

async function requireKey({ store }: ApiParts, { namespaceId }: KeyOwner, id: string): Promise<StoredKey> {
  const key = await findStoredKey(store, namespaceId, id);
  if (!key) throw notFound("key", id);
  return key;
}

const audit: AuditSpec = {
  resource: "keys/:id",
  async read({ parts: { store }, owner: { namespaceId }, params: { id } }) {
    const key = await findStoredKey(store, namespaceId, id!);
    return key && { ...toWireKey(key), lastUsedAt: undefined };
  },
};

export const keyFeature: Feature = {
  tag: "Keys",
  description: "Keys give access to a namespace, with scopes and an expiry.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/whoami",
      operationId: "getCaller",
      summary: "Say whose key this is, and what it may do",
      access: "any",
      answers: { 200: { is: "The key, and where it acts.", schema: whoamiOutput } },
      handle: ({ owner }) => Promise.resolve({ status: 200, body: toWireCaller(owner) }),
    }),

    defineRoute({
      method: "POST",
      path: "/v1/keys",
      operationId: "createKey",
      summary: "Create a key",
      description: "It cannot have a scope that the caller's own key lacks, nor expire later than that key.",
      access: "admin",
      audit,
      body: { schema: keyInput },
      answers: { 201: { is: "The key, with its secret.", schema: shownKeyOutput } },
      errors: { 409: ["too_many_keys"] },
      async handle({ parts, context, owner, body }) {
        if (body.expiresAt && body.expiresAt <= parts.clock.now())
          throw invalidField("expiresAt", "lies in the past");
        demandOwnPowers(owner, body);
        const { namespaceId } = owner;
        const given = { ...body, scopes: [...new Set(body.scopes)], id: newId(), namespaceId };
        const { key, secret } = await inTransaction(parts.store.pool, (tx) => createKey(tx, given));
        context.header("cache-control", "no-store");
        return { status: 201, body: { ...toWireKey(key), key: secret } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/keys",
      operationId: "listKeys",
      summary: "List the namespace's keys, newest first",
      access: "admin",
      query: listQuery,
      answers: { 200: { is: "A page of keys, without their secrets.", schema: pageOf(keyOutput) } },
      async handle({ parts: { store }, owner: { namespaceId }, query: { limit, cursor } }) {
        const rows = await listKeys(store, namespaceId, limit, decodeIdCursor(cursor));
        return { status: 200, body: toPage(rows, limit, toWireKey, ({ id }) => id) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/keys/:id",
      operationId: "revokeKey",
      summary: "Revoke a key",
      description:
        "The key is refused everywhere within a second, and stays in the list. You may repeat the request.",
      access: "admin",
      audit,
      params,
      answers: { 204: { is: "The key is revoked." } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner, params: { id } }) {
        const key = await requireKey(parts, owner, id);
        demandOwnPowers({ ...owner, expiresAt: null }, key);
        await revokeKey(parts.store, key.id);
        parts.notifier.notify("bellhop_keys", [key.id]);
        return { status: 204 };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/keys/:id/rotate",
      operationId: "rotateKey",
      summary: "Give a key a new secret",
      description:
        "The previous secret stays valid for a while. Everything else of the key stays, including its id and its expiry. An admin's or operator's key can be rotated only by itself.",
      access: "admin",
      audit,
      params,
      body: { schema: rotationInput, isOptional: true },
      answers: { 200: { is: "The key, with its new secret.", schema: shownKeyOutput } },
      errors: { 404: ["not_found"], 409: ["key_not_valid", "key_rotating"] },
      async handle({ parts, context, owner, params: { id }, body: { overlap } }) {
        const found = await requireKey(parts, owner, id);
        demandOwnPowers(owner, found);
        demandOwnKey(owner, found);
        const rotated = await rotateKey(parts.store, found.id, overlap);
        parts.notifier.notify("bellhop_keys", [found.id]);
        context.header("cache-control", "no-store");
        return { status: 200, body: { ...toWireKey(rotated.key), key: rotated.secret } };
      },
    }),
  ],
};
