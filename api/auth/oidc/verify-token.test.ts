/** Which tokens are taken, and what is said of the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLocalJWKSet, exportJWK, exportSPKI, SignJWT } from "jose";
import { BellhopError } from "../../../core/errors.ts";
import { startTestIssuer, TEST_AUDIENCE } from "../../../test/support/oidc-issuer.ts";
import { isMeantFor, looksLikeToken, MAX_TOKEN_CHARS, verifyToken } from "./verify-token.ts";

const NOW = new Date("2026-12-01T12:00:00Z");
const seconds = NOW.getTime() / 1_000;
const provider = await startTestIssuer(() => NOW);
await provider.close();
const { key, url: issuer, sign } = provider;
const jwk = { ...(await exportJWK(key.publicKey)), kid: key.kid, alg: key.alg, use: "sig" };
let lookups = 0;
const keys = createLocalJWKSet({ keys: [jwk] });
const demands = {
  ...{ issuer, audiences: [TEST_AUDIENCE, "https://bellhop.example"], now: NOW },
  findKey: ((...asked) => {
    lookups += 1;
    return keys(...asked);
  }) as typeof keys,
};
const verify = (token: string) => verifyToken(token, demands);

async function refusal(token: string): Promise<string> {
  try {
    await verify(token);
  } catch (error) {
    assert.ok(error instanceof BellhopError, String(error));
    assert.deepEqual([error.status, error.code], [401, "unauthenticated"]);
    assert.ok(!error.message.includes(token));
    return error.message;
  }
  assert.fail("the token was taken");
}

const encode = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url");

test("a token of the issuer, for this audience, of now: its subject, its end and its claims", async () => {
  const token = await sign({ groups: ["a"] });
  const { subject, expiresAt, claims } = await verify(token);
  assert.deepEqual(
    [subject, expiresAt.getTime(), claims["groups"]],
    ["ann", NOW.getTime() + 3_600_000, ["a"]],
  );
  for (const claims of [
    { aud: ["other", "https://bellhop.example"] },
    { nbf: seconds + 29 },
    { exp: seconds - 29, iat: seconds - 3_600 },
  ])
    await verify(await sign(claims));
  for (const typ of ["JWT", "jwt", "at+jwt", "application/at+jwt"])
    await verify(await sign({}, { header: { typ } }));
});

test("a token of another issuer, for another audience, or not of now is refused, and told why", async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ iss: "https://evil.example" }, /another issuer/],
    [{ iss: `${issuer}/` }, /another issuer/],
    [{ iss: undefined }, /another issuer/],
    [{ aud: "other" }, /another audience/],
    [{ aud: [] }, /another audience/],
    [{ aud: undefined }, /another audience/],
    [{ exp: seconds - 30 }, /has expired/],
    [{ exp: undefined }, /claim exp/],
    [{ nbf: seconds + 31 }, /not valid yet/],
    [{ sub: undefined }, /claim sub/],
    [{ sub: "" }, /subject/],
    [{ sub: "x".repeat(256) }, /subject/],
    [{ sub: "ann\n" }, /subject/],
    [{ exp: 1e300 }, /invalid expiry/],
  ];
  for (const [claims, message] of cases) assert.match(await refusal(await sign(claims)), message);
});

test("a token that anybody could have made is refused", async () => {
  const now = { iss: issuer, aud: TEST_AUDIENCE, sub: "ann", exp: seconds + 60 };
  const none = `${encode({ alg: "none", typ: "JWT" })}.${encode(now)}.`;
  assert.match(await refusal(none), /algorithm/);
  // The public key as the secret of a symmetric algorithm.
  for (const secret of [await exportSPKI(key.publicKey), JSON.stringify(jwk)]) {
    const forged = await new SignJWT(now)
      .setProtectedHeader({ alg: "HS256", kid: key.kid })
      .sign(new TextEncoder().encode(secret));
    assert.match(await refusal(forged), /algorithm/);
  }
  const other = await provider.makeKey("other");
  assert.match(await refusal(await sign({}, { key: other })), /key that its issuer does not publish/);
  assert.match(await refusal(await sign({}, { key: { ...other, kid: key.kid } })), /wrong signature/);
  // A key that the token brings along proves nothing.
  const header = { jwk: await exportJWK(other.publicKey), jku: "https://evil.example/keys" };
  assert.match(await refusal(await sign({}, { key: { ...other, kid: key.kid }, header })), /wrong signature/);
  const [head, , signature] = (await sign({})).split(".");
  const changed = `${head}.${encode({ ...now, sub: "root" })}.${signature}`;
  assert.match(await refusal(changed), /wrong signature/);
});

test("what the same keys sign for something else is refused", async () => {
  for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "", 7])
    assert.match(await refusal(await sign({}, { header: { typ } })), /type/);
});

test("what is no token, or too long, is refused before anybody looks for a key", async () => {
  lookups = 0;
  assert.match(await refusal(await sign({ groups: "x".repeat(MAX_TOKEN_CHARS) })), /longer than 12000/);
  for (const token of [
    "a.b.c",
    `${encode({ alg: "ES256" })}.${encode([])}.x`,
    "..",
    `${encode({ alg: "ES256" })}..x`,
  ])
    assert.match(await refusal(token), /cannot be verified|another issuer|algorithm/);
  for (const claims of [{ iss: "https://evil.example" }, { aud: "other" }]) await refusal(await sign(claims));
  assert.equal(lookups, 0);
});

test("what a token looks like, and whom it says that it is for", async () => {
  const token = await sign({});
  assert.ok(looksLikeToken(token) && isMeantFor(token, demands));
  const theirs = await sign({ aud: "shop" });
  assert.ok(looksLikeToken(theirs) && !isMeantFor(theirs, demands));
  assert.ok(!isMeantFor(await sign({ iss: "https://shop.example" }), demands));
  for (const text of ["", "bh_x", "a.b", "a.b.c.d", "a.b.c d", `${token}.x`])
    assert.ok(!looksLikeToken(text), text);
  assert.ok(!isMeantFor("a.b.c", demands));
});
