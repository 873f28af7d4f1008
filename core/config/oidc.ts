/** The settings OIDC_… as one: whose tokens are taken besides keys, and what they open. */
import type { TokenMapping } from "../domain/token-grants.ts";
import { BellhopError } from "../errors.ts";
import { DEFAULT_CLIENT_SCOPES, type SettingName, type Settings } from "./settings.ts";

export const OIDC_SETTINGS = [
  "OIDC_ISSUER",
  "OIDC_AUDIENCE",
  "OIDC_GRANTS",
  "OIDC_NAMESPACE_CLAIM",
  "OIDC_SCOPES_CLAIM",
  "OIDC_CLIENT_ID",
  "OIDC_CLIENT_SECRET",
  "OIDC_CLIENT_SCOPES",
  "OIDC_PROVIDER_NAME",
] as const satisfies SettingName[];
type OidcSetting = (typeof OIDC_SETTINGS)[number];

export interface OidcConfig {
  /** As its tokens name it. */
  issuer: string;
  /** A token is for one of these. */
  audiences: readonly string[];
  mapping: TokenMapping;
  /** How people sign in to the console at the provider; undefined: they do not. */
  signIn?: SignInConfig | undefined;
}

export interface SignInConfig {
  /** What people know the provider by. */
  name: string;
  clientId: string;
  /** Undefined: of a client that proves itself by PKCE alone. */
  clientSecret: string | undefined;
  /** With spaces between. */
  scopes: string;
  redirectUri: string;
}

/** Where the provider sends browsers back to, below the API's public address. */
export const REDIRECT_PATH = "/console/sign-in";

/** Undefined where tokens are not taken. Throws `invalid_setting` where something is missing, or set to no effect. */
export function toOidcConfig(
  settings: Pick<Settings, OidcSetting | "BELLHOP_PUBLIC_URL">,
): OidcConfig | undefined {
  const {
    OIDC_ISSUER: issuer,
    OIDC_AUDIENCE: given,
    OIDC_CLIENT_ID: clientId,
    OIDC_GRANTS: rules,
    OIDC_NAMESPACE_CLAIM: namespace,
    OIDC_SCOPES_CLAIM: scopes,
  } = settings;
  if (issuer === undefined) {
    const set = OIDC_SETTINGS.find((name) => name !== "OIDC_ISSUER" && isSet(name, settings[name]));
    if (set === undefined) return undefined;
    throw invalid(`${set} has no effect without OIDC_ISSUER: set that as well, or leave both out`);
  }
  // The ID tokens of the console are for its client.
  const audiences = clientId === undefined ? given : [...new Set([...given, clientId])];
  if (audiences.length === 0)
    throw invalid(
      "OIDC_ISSUER needs OIDC_AUDIENCE, or OIDC_CLIENT_ID: without it a token that was made for any other program would open Bellhop",
    );
  if ((namespace === undefined) !== (scopes === undefined))
    throw invalid(
      "OIDC_NAMESPACE_CLAIM and OIDC_SCOPES_CLAIM go together: set both, or neither and OIDC_GRANTS",
    );
  if (rules.length === 0 && namespace === undefined)
    throw invalid(
      "OIDC_ISSUER needs OIDC_GRANTS, or OIDC_NAMESPACE_CLAIM and OIDC_SCOPES_CLAIM: without them no token opens anything",
    );
  const ownClaims = namespace === undefined || scopes === undefined ? undefined : { namespace, scopes };
  return { issuer, audiences, mapping: { rules, ownClaims }, signIn: toSignIn(issuer, settings) };
}

function toSignIn(
  issuer: string,
  settings: Pick<Settings, OidcSetting | "BELLHOP_PUBLIC_URL">,
): SignInConfig | undefined {
  const { OIDC_CLIENT_ID: clientId, BELLHOP_PUBLIC_URL: publicUrl, OIDC_CLIENT_SCOPES: scopes } = settings;
  if (clientId === undefined) {
    const set = CLIENT_SETTINGS.find((name) => isSet(name, settings[name]));
    if (set === undefined) return undefined;
    throw invalid(`${set} has no effect without OIDC_CLIENT_ID: set that as well, or leave both out`);
  }
  if (publicUrl === undefined)
    throw invalid("OIDC_CLIENT_ID needs BELLHOP_PUBLIC_URL: the provider sends people back to it");
  if (!scopes.split(" ").includes("openid"))
    throw invalid("OIDC_CLIENT_SCOPES must have openid among its scopes: without it there is no ID token");
  return {
    name: settings.OIDC_PROVIDER_NAME ?? new URL(issuer).host,
    clientId,
    clientSecret: settings.OIDC_CLIENT_SECRET,
    scopes,
    redirectUri: `${publicUrl}${REDIRECT_PATH}`,
  };
}

const CLIENT_SETTINGS = ["OIDC_CLIENT_SECRET", "OIDC_CLIENT_SCOPES", "OIDC_PROVIDER_NAME"] as const;

/** By somebody: one that has a default is set where it is another. */
function isSet(name: OidcSetting, value: unknown): boolean {
  if (name === "OIDC_CLIENT_SCOPES") return value !== DEFAULT_CLIENT_SCOPES;
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

const invalid = (message: string) => new BellhopError("invalid_setting", 500, `${message}.`);
