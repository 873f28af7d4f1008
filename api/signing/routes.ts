/** `/v1/signing-secrets`: what deliveries of the namespace are signed with, for those who verify them. */
import { signingSecretsOutput, toWireSigningSecrets } from "../../core/contracts/signing-secret.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Sealer } from "../../core/secrets/sealer.ts";
import {
  findSigningSecrets,
  listSigningInstants,
  rotateSigningSecret,
} from "../../core/store/signing-secrets.ts";
import type { ApiParts } from "../environment.ts";
import { type AuditSpec, defineRoute, type Feature } from "../http/route.ts";

function requireSealer({ sealer }: ApiParts): Sealer {
  if (sealer) return sealer;
  const message = "Deliveries are not signed: the operator has not set BELLHOP_SECRETS_KEY.";
  throw new BellhopError("secrets_unavailable", 503, message);
}

/** When those were made that are valid: nothing of them. */
const audit: AuditSpec = {
  resource: "signing-secrets",
  async read({ parts: { store }, owner: { namespaceId } }) {
    const instants = await listSigningInstants(store, namespaceId);
    return instants.length > 0
      ? { secrets: instants.map((createdAt) => ({ createdAt: createdAt.toISOString() })) }
      : undefined;
  },
};

export const signingFeature: Feature = {
  tag: "Signing",
  description: "The secrets that sign requests of HTTP tasks and callbacks (Standard Webhooks).",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/signing-secrets",
      operationId: "listSigningSecrets",
      summary: "Show the namespace's signing secrets",
      access: "admin",
      answers: { 200: { is: "The valid secrets.", schema: signingSecretsOutput } },
      errors: { 503: ["secrets_unavailable"] },
      async handle({ parts, context, owner: { namespaceId } }) {
        const secrets = await findSigningSecrets(parts.store, requireSealer(parts), namespaceId);
        context.header("cache-control", "no-store");
        return { status: 200, body: toWireSigningSecrets(secrets) };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/signing-secrets/rotate",
      operationId: "rotateSigningSecrets",
      summary: "Create another signing secret",
      description: "The previous one stays valid: both sign until the next rotation.",
      access: "admin",
      audit,
      answers: { 200: { is: "The secrets that are valid now.", schema: signingSecretsOutput } },
      errors: { 503: ["secrets_unavailable"] },
      async handle({ parts, context, owner: { namespaceId } }) {
        const secrets = await rotateSigningSecret(parts.store, requireSealer(parts), namespaceId);
        context.header("cache-control", "no-store");
        return { status: 200, body: toWireSigningSecrets(secrets) };
      },
    }),
  ],
};
