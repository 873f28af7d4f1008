/**
 * What the OpenID provider publishes of itself: where it is asked, and the keys that it signs with. Looked up when somebody
 * needs it, and kept. Its states: unknown → known → old (looked up again, and good for a while should that fail) → unknown.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import type { Clock } from "../../../core/clock.ts";
import { isTrustworthyUrl } from "../../../core/config/issuer-url.ts";
import { BellhopError } from "../../../core/errors.ts";
import { fetchJson } from "./fetch-json.ts";

/** So long a key that the provider withdraws may still be taken. */
export const FRESH_MS = 10 * 60_000;
/** So long while the provider is away. */
export const GOOD_MS = 60 * 60_000;
/** A key that is not known has them looked up again, but no sooner after the last look. */
export const UNKNOWN_KEY_PAUSE_MS = 30_000;
/** So long nobody asks a provider again that did not answer. */
export const AWAY_PAUSE_MS = 5_000;

const endpoint = z.string().refine(isTrustworthyUrl, "must be an https:// URL");

// What is for the console's sign-in alone keeps no token out where it is not as it should be.
const metadataSchema = z.object({
  issuer: z.string(),
  jwks_uri: endpoint,
  authorization_endpoint: endpoint.optional().catch(undefined),
  token_endpoint: endpoint.optional().catch(undefined),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional().catch(undefined),
  id_token_signing_alg_values_supported: z.array(z.string()).optional().catch(undefined),
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
});
export type IssuerMetadata = z.output<typeof metadataSchema>;

const keysSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

type FindKey = (...asked: Parameters<JWTVerifyGetKey>) => Promise<Awaited<ReturnType<JWTVerifyGetKey>>>;

export interface Issuer {
  /** The key by which a token is verified. Throws as jose does where the provider has none such; 503 where it is away. */
  findKey: FindKey;
  /** What it says of itself. 503 where it is away. */
  readMetadata(): Promise<IssuerMetadata>;
}

export interface IssuerParts {
  /** As its tokens name it. */
  issuer: string;
  clock: Pick<Clock, "steadyMs">;
  /** The provider could not be asked; it is asked again when somebody needs it. */
  onAway(error: unknown): void;
}

interface Published {
  metadata: IssuerMetadata;
  findKey: JWTVerifyGetKey;
  atMs: number;
}

export function createIssuer({ issuer, clock, onAway }: IssuerParts): Issuer {
  let known: Published | undefined;
  let looking: Promise<Published> | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let awayMs = Number.NEGATIVE_INFINITY;

  /** One look at a time, for all who need it. */
  function look(): Promise<Published> {
    looking ??= readPublished(issuer)
      .then((published) => {
        known = { ...published, atMs: clock.steadyMs() };
        return known;
      })
      .catch((error: unknown) => {
        awayMs = clock.steadyMs();
        onAway(error);
        throw issuerUnavailable();
      })
      .finally(() => {
        lookedMs = clock.steadyMs();
        looking = undefined;
      });
    return looking;
  }

  async function findPublished(): Promise<Published> {
    const now = clock.steadyMs();
    if (known && now - known.atMs < FRESH_MS) return known;
    const good = known && now - known.atMs < GOOD_MS ? known : undefined;
    if (!looking && now - awayMs < AWAY_PAUSE_MS) {
      if (good) return good;
      throw issuerUnavailable();
    }
    // One that did not answer the last time may keep everybody waiting: with good keys at hand nobody need.
    if (good && awayMs > good.atMs) {
      void look().catch(() => {});
      return good;
    }
    try {
      return await look();
    } catch (error) {
      if (good) return good;
      throw error;
    }
  }

  return {
    readMetadata: async () => (await findPublished()).metadata,
    async findKey(header, token) {
      const published = await findPublished();
      try {
        return await published.findKey(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        const newer = known !== published ? known : undefined;
        if (!newer && !looking && clock.steadyMs() - lookedMs < UNKNOWN_KEY_PAUSE_MS) throw error;
        return await (newer ?? (await look())).findKey(header, token);
      }
    },
  };
}

async function readPublished(issuer: string): Promise<Omit<Published, "atMs">> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const metadata = metadataSchema.parse(await fetchJson(url));
  // Another's document would have another's keys open everything.
  if (metadata.issuer !== issuer)
    throw new Error(`${url} is of the issuer ${JSON.stringify(metadata.issuer)}, not of OIDC_ISSUER`);
  const keys = keysSchema.parse(await fetchJson(metadata.jwks_uri));
  return { metadata, findKey: createLocalJWKSet(keys as JSONWebKeySet) };
}

/** 503: nothing is wrong with the token, as far as is known. */
export const issuerUnavailable = (consequence = "no token can be verified right now") =>
  new BellhopError(
    "issuer_unavailable",
    503,
    `The OpenID provider does not respond, so ${consequence}; try again. Keys still work.`,
    [],
    AWAY_PAUSE_MS / 1_000,
  );
