/** Secrets of a function or of the whole namespace: written, named, removed, never read. */

import { pageOf } from "../../core/contracts/common.ts";
import { envName, functionNameParam } from "../../core/contracts/function.ts";
import { secretInput, secretOutput, toWireSecret } from "../../core/contracts/secret.ts";
import { BellhopError, conflict, invalidField, notFound } from "../../core/errors.ts";
import type { SecretPlace } from "../../core/secrets/sealer.ts";
import {
  deleteSecret,
  listSecrets,
  MAX_SECRET_BYTES,
  MAX_SECRETS,
  putSecret,
} from "../../core/store/secrets.ts";
import type { ApiParts } from "../environment.ts";
import { requireFunction } from "../functions/function-of-path.ts";
import type { AuditSpec } from "../http/route.ts";
import { defineRoute, type Feature, type Route } from "../http/route.ts";

type Owner = Omit<SecretPlace, "name">;

/** Whose secrets routes are about. */
interface Subject {
  /** Of the routes; begins with /v1. */
  base: string;
  /** In operation ids and in words. */
  named: { id: string; is: string };
  params: Route["params"];
  find(parts: ApiParts, namespaceId: string, params: Record<string, string>): Promise<Owner>;
}

const NAMESPACE: Subject = {
  base: "/v1/secrets",
  named: { id: "", is: "the namespace" },
  params: {},
  find: async (_parts, namespaceId) => ({ namespaceId, functionId: null }),
};

const FUNCTION: Subject = {
  base: "/v1/functions/:name/secrets",
  named: { id: "Function", is: "a function" },
  params: { name: functionNameParam },
  async find({ store }, namespaceId, { name }) {
    const { id } = await requireFunction(store.db, namespaceId, name!);
    return { namespaceId, functionId: id };
  },
};

export const secretFeature: Feature = {
  tag: "Secrets",
  description: "Values that functions read in `ctx.env`: written but never shown, and redacted from output.",
  routes: [...secretRoutes(NAMESPACE), ...secretRoutes(FUNCTION)],
};

function announce({ notifier }: ApiParts, { functionId }: Owner): void {
  notifier.notify("bellhop_functions", functionId === null ? undefined : [functionId]);
}

async function sealAndPut(parts: ApiParts, owner: Owner, named: string, value: string) {
  const name = envName.safeParse(named);
  if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
  if (!parts.sealer) {
    const message = "Secrets cannot be stored: the operator has not set BELLHOP_SECRETS_KEY.";
    throw new BellhopError("secrets_unavailable", 503, message);
  }
  const place = { ...owner, name: name.data };
  const written = await putSecret(parts.store, place, parts.sealer.seal(place, value));
  if (!written)
    throw conflict(
      `There may be at most ${MAX_SECRETS} secrets, of ${MAX_SECRET_BYTES} bytes in total.`,
      "too_many_secrets",
    );
  announce(parts, owner);
  return written;
}

function secretRoutes({ base, named, params, find }: Subject): Route[] {
  const ofFunction = base === NAMESPACE.base ? {} : ({ 404: ["not_found"] } as const);
  const one = {
    ...params,
    secret: envName.meta({ description: "The secret's name.", examples: ["API_KEY"] }),
  };
  const audit: AuditSpec = {
    resource: `${base.replace("/v1/", "")}/:secret`,
    async read({ parts, owner: { namespaceId }, params }) {
      const { functionId } = await find(parts, namespaceId, params as Record<string, string>);
      const secrets = await listSecrets(parts.store, namespaceId, functionId);
      const found = secrets.find(({ name }) => name === params["secret"]);
      return found && toWireSecret(found);
    },
  };
  return [
    defineRoute({
      method: "PUT",
      path: `${base}/:secret`,
      operationId: `put${named.id}Secret`,
      summary: `Write a secret of ${named.is}`,
      access: "deploy",
      audit,
      params: one,
      body: { schema: secretInput },
      answers: {
        200: { is: "The secret has a new value.", schema: secretOutput },
        201: { is: "The secret is set.", schema: secretOutput },
      },
      errors: { ...ofFunction, 409: ["too_many_secrets"], 503: ["secrets_unavailable"] },
      async handle({ parts, owner: { namespaceId }, params, body }) {
        const owner = await find(parts, namespaceId, params);
        const written = await sealAndPut(parts, owner, params.secret, body.value);
        return { status: written.created ? 201 : 200, body: toWireSecret(written) };
      },
    }),

    defineRoute({
      method: "GET",
      path: base,
      operationId: `list${named.id}Secrets`,
      summary: `List the secrets of ${named.is} by name`,
      access: "read",
      params: params ?? {},
      answers: { 200: { is: "All secrets, without their values.", schema: pageOf(secretOutput) } },
      errors: ofFunction,
      async handle({ parts, owner: { namespaceId }, params }) {
        const { functionId } = await find(parts, namespaceId, params);
        const secrets = await listSecrets(parts.store, namespaceId, functionId);
        return { status: 200, body: { items: secrets.map(toWireSecret), nextCursor: null } };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: `${base}/:secret`,
      operationId: `delete${named.id}Secret`,
      summary: `Remove a secret of ${named.is}`,
      access: "deploy",
      audit,
      params: one,
      answers: { 204: { is: "The secret is removed." } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner: { namespaceId }, params }) {
        const owner = await find(parts, namespaceId, params);
        const name = params.secret;
        if (!(await deleteSecret(parts.store, { ...owner, name }))) throw notFound("secret", name);
        announce(parts, owner);
        return { status: 204 };
      },
    }),
  ];
}
