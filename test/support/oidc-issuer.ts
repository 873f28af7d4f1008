/** An OpenID provider on loopback, as far as programs need it that take its tokens: discovery, keys, and tokens of any kind. */
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { createHttpSink, type HttpSink } from "./http-sink.ts";

interface SigningKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

export interface TestIssuer {
  /** As its tokens name it. */
  url: string;
  /** What it was asked. */
  requests: HttpSink["requests"];
  /** It breaks each connection. */
  isAway: boolean;
  /** Its discovery document, where that is another than it should be. */
  metadata: Record<string, unknown>;
  /** Signed by the present key, for an hour, unless said otherwise; undefined takes a claim out. */
  sign(
    claims: Record<string, unknown>,
    given?: { header?: Record<string, unknown>; key?: SigningKey },
  ): Promise<string>;
  /** From now on it signs by another key, and publishes that one alone. */
  rotate(alg?: string): Promise<void>;
  /** What it signs by now. */
  readonly key: SigningKey;
  /** A key that it does not publish. */
  makeKey(kid: string, alg?: string): Promise<SigningKey>;
  close(): Promise<void>;
}

export const TEST_AUDIENCE = "bellhop";

export async function startTestIssuer(now: () => Date = () => new Date()): Promise<TestIssuer> {
  let count = 1;
  let key = await makeKey("key-1");
  const sink = await createHttpSink(async ({ url }) => {
    if (issuer.isAway) return { drop: true };
    const headers = { "content-type": "application/json" };
    if (url === "/.well-known/openid-configuration")
      return { headers, body: JSON.stringify(issuer.metadata) };
    if (url === "/keys") return { headers, body: JSON.stringify({ keys: [await publish(key)] }) };
    return { status: 404 };
  });
  const issuer: TestIssuer = {
    ...{ url: sink.url, requests: sink.requests, isAway: false, makeKey },
    metadata: { issuer: sink.url, jwks_uri: `${sink.url}/keys` },
    async sign(claims, { header = {}, key: signer = key } = {}) {
      const seconds = Math.floor(now().getTime() / 1_000);
      const standard = { iss: sink.url, aud: TEST_AUDIENCE, sub: "ann", iat: seconds, exp: seconds + 3_600 };
      return await new SignJWT({ ...standard, ...claims })
        .setProtectedHeader({ alg: signer.alg, kid: signer.kid, ...header })
        .sign(signer.privateKey);
    },
    async rotate(alg) {
      count += 1;
      key = await makeKey(`key-${count}`, alg);
    },
    get key() {
      return key;
    },
    close: () => sink.close(),
  };
  return issuer;
}

async function makeKey(kid: string, alg = "ES256"): Promise<SigningKey> {
  return { kid, alg, ...(await generateKeyPair(alg, { extractable: true })) };
}

const publish = async ({ kid, alg, publicKey }: SigningKey) => ({
  ...(await exportJWK(publicKey)),
  ...{ kid, alg, use: "sig" },
});
