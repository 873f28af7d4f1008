/**
 * Signing in to the console at the OpenID provider: authorization code with PKCE, state and nonce, which the page keeps in its
 * tab meanwhile. Nothing is kept here. The session's token is the ID token.
 */
import * as oauth from "oauth4webapi";
import type { SignInConfig } from "../../core/config/oidc.ts";
import { BellhopError } from "../../core/errors.ts";
import { fetchBounded, ProviderAway } from "../auth/oidc/fetch-json.ts";
import { type Issuer, issuerUnavailable } from "../auth/oidc/issuer.ts";

export interface BegunSignIn {
  /** Where the browser goes. */
  url: string;
  state: string;
  nonce: string;
  codeVerifier: string;
}

export interface ReturnedSignIn extends Omit<BegunSignIn, "url"> {
  /** What the provider sent the browser back with. */
  query: string;
}

export interface OidcSignIn {
  /** What the provider is called on the page. */
  name: string;
  begin(): Promise<BegunSignIn>;
  /** An ID token; 401 where the provider gives none, or another one than was asked for. */
  finish(returned: ReturnedSignIn): Promise<string>;
}

export interface OidcSignInParts {
  config: SignInConfig;
  issuer: Pick<Issuer, "readMetadata">;
  /** It came to nothing for a reason that the browser is not told: the operator may have to do something. */
  onFailed(reason: string): void;
}

export function createOidcSignIn({ config, issuer, onFailed }: OidcSignInParts): OidcSignIn {
  const { name, clientId, clientSecret, redirectUri, scopes } = config;
  const client: oauth.Client = { client_id: clientId };

  async function begin(): Promise<BegunSignIn> {
    const { authorization_endpoint } = await issuer.readMetadata();
    if (authorization_endpoint === undefined) throw namesNo("authorization_endpoint");
    const kept = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      codeVerifier: oauth.generateRandomCodeVerifier(),
    };
    const asked = {
      ...{ response_type: "code", client_id: clientId, redirect_uri: redirectUri, scope: scopes },
      ...{ state: kept.state, nonce: kept.nonce, code_challenge_method: "S256" },
      code_challenge: await oauth.calculatePKCECodeChallenge(kept.codeVerifier),
    };
    const url = new URL(authorization_endpoint);
    for (const [key, value] of Object.entries(asked)) url.searchParams.set(key, value);
    return { ...kept, url: url.href };
  }

  async function exchange({ query, state, nonce, codeVerifier }: ReturnedSignIn): Promise<string> {
    const metadata = (await issuer.readMetadata()) as oauth.AuthorizationServer;
    if (metadata.token_endpoint === undefined) throw namesNo("token_endpoint");
    const returned = oauth.validateAuthResponse(metadata, client, new URLSearchParams(query), state);
    const authentication = authenticationOf(metadata, clientSecret);
    const response = await oauth.authorizationCodeGrantRequest(
      metadata,
      client,
      authentication,
      returned,
      redirectUri,
      codeVerifier,
      // Of http the metadata names this machine's addresses alone.
      { [oauth.customFetch]: fetchBounded, [oauth.allowInsecureRequests]: true },
    );
    const checks = { expectedNonce: nonce, requireIdToken: true };
    const { id_token } = await oauth.processAuthorizationCodeResponse(metadata, client, response, checks);
    return id_token!;
  }

  return {
    name,
    begin,
    finish: (returned) =>
      exchange(returned).catch((error: unknown) => {
        if (!(error instanceof BellhopError)) onFailed(nameReason(error));
        throw toRefusal(error);
      }),
  };
}

/** In the header, as OAuth prefers it, unless the provider takes it in the body alone. Without a secret PKCE is the proof. */
function authenticationOf(
  { token_endpoint_auth_methods_supported: methods = [] }: oauth.AuthorizationServer,
  secret: string | undefined,
): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  const isInBody = methods.includes("client_secret_post") && !methods.includes("client_secret_basic");
  return isInBody ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

const refused = (message: string) => new BellhopError("sign_in_refused", 401, message);

const namesNo = (endpoint: string) =>
  refused(`The OpenID provider has no ${endpoint}: nobody can sign in there.`);

/** Without what was sent or answered: both hold what opens the console. */
function nameReason(error: unknown): string {
  if (error instanceof ProviderAway) return error.message;
  const { name, code } = error as { name?: string; code?: unknown };
  return typeof code === "string" ? code : (name ?? "unknown");
}

/** Of what the provider says its error code alone is told: descriptions may hold anything. */
function toRefusal(error: unknown): BellhopError {
  if (error instanceof BellhopError) return error;
  if (error instanceof ProviderAway) return issuerUnavailable("nobody can sign in there right now");
  const isTold =
    error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError;
  if (isTold && /^[\w.-]{1,50}$/.test(error.error))
    return refused(`The OpenID provider refuses the sign-in: ${error.error}.`);
  return refused("The OpenID provider's response does not belong to this sign-in: begin again.");
}
