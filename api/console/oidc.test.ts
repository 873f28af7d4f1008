/** Signing in to the console at a real OpenID provider, as the page does it, without a browser. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type OidcConfig, REDIRECT_PATH } from "../../core/config/oidc.ts";
import { startOpenIdProvider } from "../../test/support/oidc-provider.ts";
import { type Answer, openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { SIGN_INS } from "./guard-sign-in.ts";
import { MAX_RETURNED_BYTES } from "./oidc-routes.ts";

const redirectUri = `https://bellhop.example${REDIRECT_PATH}`;

async function open(secret?: string, algorithm = "RS256") {
  const client = { id: "console", redirectUri, algorithm, ...(secret === undefined ? {} : { secret }) };
  const provider = await startOpenIdProvider(client);
  after(() => provider.close());
  const rule = { claims: { groups: "ann" }, namespace: "default", scopes: ["read"] } as const;
  const config: OidcConfig = {
    ...{ issuer: provider.url, audiences: ["console"], mapping: { rules: [rule], ownClaims: undefined } },
    signIn: {
      ...{ name: "Acme", clientId: "console", clientSecret: secret },
      scopes: "openid groups",
      redirectUri,
    },
  };
  const api = await openApi({ oidc: { config } });
  const begin = () => api.anonymous.call("POST", "/console/oidc/begin");
  const finish = (body: object) =>
    api.anonymous.call("POST", "/console/oidc/finish", { body: body as never });
  return { api, begin, finish };
}

/** What the browser is sent back with, once somebody has told the provider who he is. */
async function tellProvider(begun: Answer["body"], form: Record<string, string>): Promise<string> {
  const cookies = new Map<string, string>();
  let next = begun.url as string;
  for (;;) {
    const isAsked = next.includes("/interaction/");
    const answer = await fetch(next, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(isAsked ? { method: "POST", body: new URLSearchParams(form) } : {}),
    });
    await answer.arrayBuffer();
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      cookies.set(name!, value!);
    }
    const location = answer.headers.get("location");
    assert.ok(location, `${next} answers ${answer.status}`);
    next = new URL(location, next).href;
    if (next.startsWith(redirectUri)) return new URL(next).search.slice(1);
  }
}

const withoutUrl = ({ url: _, ...kept }: Answer["body"]) => kept;

for (const [algorithm, secret] of [
  ["RS256", undefined],
  ["RS256", "s3cret: of the client"],
  ["ES256", undefined],
] as const)
  test(`who signs in at the provider gets a session by an ID token, signed by ${algorithm}, ${secret ? "with" : "without"} a client secret`, async () => {
    const { api, begin, finish } = await open(secret, algorithm);
    const begun = await begin();
    assert.equal(begun.status, 200, JSON.stringify(begun.body));
    assert.equal(begun.headers.get("cache-control"), "no-store");
    const asked = new URL(begun.body.url).searchParams;
    assert.deepEqual(
      ["response_type", "client_id", "redirect_uri", "scope", "code_challenge_method", "state", "nonce"].map(
        (name) => asked.get(name),
      ),
      ["code", "console", redirectUri, "openid groups", "S256", begun.body.state, begun.body.nonce],
    );
    assert.ok(!begun.body.url.includes(begun.body.codeVerifier));
    const query = await tellProvider(begun.body, { name: "ann" });
    const session = await finish({ ...withoutUrl(begun.body), query });
    assert.equal(session.status, 200, JSON.stringify(session.body));
    assert.equal(session.headers.get("cache-control"), "no-store");
    const { body } = await api.withKey(session.body.key).call("GET", "/v1/whoami");
    assert.deepEqual([body.key.name, body.namespace, body.scopes], ["ann", "default", ["read"]]);
    assert.equal(body.key.expiresAt, session.body.expiresAt);

    const again = await finish({ ...withoutUrl(begun.body), query });
    assertProblem(again, 401, "sign_in_refused");
    assert.match(again.body.detail, /invalid_grant/);
  });

test("what is not the end of this very attempt is refused: another state, nonce or verifier, or no code at all", async () => {
  const { begin, finish } = await open();
  const other = (await begin()).body;
  for (const name of ["state", "nonce", "codeVerifier"]) {
    const begun = (await begin()).body;
    const query = await tellProvider(begun, { name: "ann" });
    const answer = await finish({ ...withoutUrl(begun), [name]: other[name], query });
    assertProblem(answer, 401, "sign_in_refused");
  }
  for (const query of ["x", "code=1", `state=${other.state}`, `code=1&state=${other.state}`])
    assertProblem(await finish({ ...withoutUrl(other), query }), 401, "sign_in_refused");
});

test("who is refused by the provider, or is granted nothing, is told so", async () => {
  const { begin, finish } = await open();
  const begun = (await begin()).body;
  const refused = await finish({ ...withoutUrl(begun), query: await tellProvider(begun, { refuse: "1" }) });
  assertProblem(refused, 401, "sign_in_refused");
  assert.match(refused.body.detail, /refuses the sign-in: access_denied/);
  assert.doesNotMatch(refused.body.detail, /not today/);
  const stranger = (await begin()).body;
  const query = await tellProvider(stranger, { name: "bob" });
  assertProblem(await finish({ ...withoutUrl(stranger), query }), 403, "forbidden");
});

test("what is no such body is refused by its field; where nobody signs in at a provider there is nothing", async () => {
  const { begin, finish } = await open();
  const kept = withoutUrl((await begin()).body);
  for (const body of [kept, { ...kept, query: "" }, { ...kept, query: "x", more: 1 }, { ...kept, query: 7 }])
    assertProblem(await finish(body), 422, "invalid_input");
  assertProblem(await finish({ ...kept, query: "x".repeat(MAX_RETURNED_BYTES) }), 413, "body_too_large");
  const none = await openApi();
  assertProblem(await none.anonymous.call("POST", "/console/oidc/begin"), 404, "not_found");
  const answer = await none.anonymous.call("POST", "/console/oidc/finish", { body: { ...kept, query: "x" } });
  assertProblem(answer, 404, "not_found");
});

test("who begins or finishes again and again is told to wait", async () => {
  const { begin, finish } = await open();
  const kept = withoutUrl((await begin()).body);
  for (let tried = 1; tried < SIGN_INS.limit; tried += 1) assert.equal((await begin()).status, 200);
  assertProblem(await begin(), 429, "rate_limited");
  for (let tried = 0; tried < SIGN_INS.limit; tried += 1)
    assertProblem(await finish({ ...kept, query: "x" }), 401, "sign_in_refused");
  assertProblem(await finish({ ...kept, query: "x" }), 429, "rate_limited");
});

test("the page says where one may sign in, and nothing where one may not", async () => {
  const { api } = await open();
  const meta = async (at: typeof api) =>
    /<meta name="bellhop-openid-provider" content="([^"]*)">/.exec(
      await (await at.anonymous.request("GET", "/console")).text(),
    )?.[1];
  assert.equal(await meta(api), "Acme");
  assert.equal(await meta(await openApi()), "");
});
