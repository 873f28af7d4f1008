/** A real OpenID provider on loopback, a certified one. People sign in by a name of their choosing, which is also their group. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import Provider from "oidc-provider";

export interface OpenIdProvider {
  /** As its tokens name it. */
  url: string;
  /** A token as it might have given one. */
  sign(claims: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export interface ProviderClient {
  id: string;
  /** Left out: it is a public client, which proves itself by PKCE alone. */
  secret?: string;
  redirectUri: string;
  /** By which its ID tokens are signed; default RS256. */
  algorithm?: string;
}

const KID = "provider-key";

export async function startOpenIdProvider(client: ProviderClient): Promise<OpenIdProvider> {
  const { algorithm: alg = "RS256" } = client;
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: KID, alg, use: "sig" };
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(url, {
    clients: [describeClient(client)],
    jwks: { keys: [jwk] },
    scopes: ["openid", "groups"],
    claims: { openid: ["sub"], groups: ["groups"] },
    // All that is asked for stands in the ID token.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    // In seconds.
    ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600 },
    cookies: { keys: ["of a test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, groups: [id] }) }),
    // Nobody is asked whether the console may know who he is.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client.clientId,
        accountId: oidc.session.accountId,
      });
      grant.addOIDCScope("openid groups");
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const isSignIn = request.url?.startsWith("/interaction/");
    void (isSignIn ? signIn(provider, request, response) : answer(request, response));
  });
  return {
    url,
    sign: (claims) =>
      new SignJWT({ iss: url, aud: client.id, sub: "ann", ...claims })
        .setProtectedHeader({ alg, kid: KID })
        .sign(privateKey),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const describeClient = ({ id, secret, redirectUri, algorithm = "RS256" }: ProviderClient) => ({
  client_id: id,
  id_token_signed_response_alg: algorithm,
  ...(secret === undefined
    ? { token_endpoint_auth_method: "none" }
    : { client_secret: secret, token_endpoint_auth_method: "client_secret_basic" }),
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code"],
  response_types: ["code"],
});

const PAGE = `<!doctype html><title>Provider</title><h1>Who are you?</h1>
<form method="post"><label>Name <input name="name"></label><button>Continue</button><button name="refuse" value="1">No</button></form>`;

async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "POST") {
    response.setHeader("content-type", "text/html").end(PAGE);
    return;
  }
  const form = new URLSearchParams(await text(request));
  const result = form.has("refuse")
    ? { error: "access_denied", error_description: "not today" }
    : { login: { accountId: form.get("name") ?? "" } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}
