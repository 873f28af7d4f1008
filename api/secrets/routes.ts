/** Secrets of a function or of the whole namespace: written, named, removed, never read. */
import { type Context, Hono } from "hono";
import { z } from "zod";
import { envName } from "../../core/contracts/function.ts";
import { BellhopError, conflict, invalidField, notFound } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { SecretPlace } from "../../core/secrets/sealer.ts";
import {
  deleteSecret,
  listSecrets,
  MAX_SECRET_BYTES,
  MAX_SECRETS,
  putSecret,
  type SecretName,
} from "../../core/store/secrets.ts";
import { requireScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { requireFunction } from "../functions/function-of-path.ts";

/** Shorter ones could not be kept out of logs. */
const MIN_CHARS = 4;
const MAX_BYTES = 32_768;

const secretInput = z.strictObject({
  value: z
    .string()
    .refine(
      (value) => value.length >= MIN_CHARS,
      `has at least ${MIN_CHARS} characters: a shorter one could not be redacted`,
    )
    .refine((value) => Buffer.byteLength(value) <= MAX_BYTES, `holds at most ${MAX_BYTES} bytes`)
    .refine((value) => value.isWellFormed(), "must be text"),
});

/** Whose secrets the path means: of the function it names, or of the key's namespace. */
type OwnerOf = (context: Context<ApiEnv>) => Promise<Omit<SecretPlace, "name">>;

/** `/v1/secrets`. */
export function namespaceSecretRoutes(parts: ApiParts): Hono<ApiEnv> {
  return secretRoutes(parts, "", async (context) => ({
    namespaceId: context.get("owner").namespaceId,
    functionId: null,
  }));
}

/** `/v1/functions/{name}/secrets`. */
export function functionSecretRoutes(parts: ApiParts): Hono<ApiEnv> {
  return secretRoutes(parts, "/:name/secrets", async (context) => {
    const { id } = await requireFunction(parts.store.db, context);
    return { namespaceId: context.get("owner").namespaceId, functionId: id };
  });
}

function secretRoutes(parts: ApiParts, base: string, ownerOf: OwnerOf): Hono<ApiEnv> {
  const { store, notifier } = parts;
  const routes = new Hono<ApiEnv>();
  const announce = ({ functionId }: Omit<SecretPlace, "name">) =>
    notifier.notify("bellhop_functions", functionId === null ? undefined : [functionId]);

  routes.put(`${base}/:secret`, requireScope("deploy"), async (context) => {
    const owner = await ownerOf(context);
    const name = envName.safeParse(context.req.param("secret"));
    if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
    const { value } = validate(secretInput, await readJson(context));
    if (!parts.sealer) {
      const message = "Secrets cannot be kept: the operator has not set BELLHOP_SECRETS_KEY.";
      throw new BellhopError("secrets_unavailable", 503, message);
    }
    const place = { ...owner, name: name.data };
    const written = await putSecret(store, place, parts.sealer.seal(place, value));
    if (!written)
      throw conflict(
        `There are at most ${MAX_SECRETS} secrets, of ${MAX_SECRET_BYTES} bytes in all.`,
        "too_many_secrets",
      );
    announce(owner);
    return context.json(toWireSecret(written), written.created ? 201 : 200);
  });

  routes.get(base === "" ? "/" : base, requireScope("read"), async (context) => {
    const { namespaceId, functionId } = await ownerOf(context);
    const secrets = await listSecrets(store, namespaceId, functionId);
    return context.json({ items: secrets.map(toWireSecret), nextCursor: null });
  });

  routes.delete(`${base}/:secret`, requireScope("deploy"), async (context) => {
    const owner = await ownerOf(context);
    const name = context.req.param("secret") ?? "";
    if (!(await deleteSecret(store, { ...owner, name }))) throw notFound("secret", name);
    announce(owner);
    return context.body(null, 204);
  });

  return routes;
}

function toWireSecret({ name, createdAt, updatedAt }: SecretName): JsonObject {
  return { name, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
