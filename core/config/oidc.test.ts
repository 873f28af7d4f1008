import assert from "node:assert/strict";
import { test } from "node:test";
import { BellhopError } from "../errors.ts";
import { OIDC_SETTINGS, toOidcConfig } from "./oidc.ts";
import { readSettings } from "./settings.ts";

const read = (env: NodeJS.ProcessEnv) =>
  toOidcConfig(readSettings([...OIDC_SETTINGS, "BELLHOP_PUBLIC_URL"], env));

/** The sentence that the API stops with. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    read(env);
  } catch (error) {
    assert.ok(error instanceof BellhopError);
    assert.equal(error.code, "invalid_setting");
    return error.message;
  }
  assert.fail(`${JSON.stringify(env)} was accepted`);
}

const OIDC_GRANTS = '[{"claims": {"groups": "ops"}, "scopes": ["operator"]}]';
const WHOLE = { OIDC_ISSUER: "https://id.example.com/", OIDC_AUDIENCE: "bellhop", OIDC_GRANTS };

test("nothing set: no tokens; all of it: whose are taken, and what they open", () => {
  assert.equal(read({}), undefined);
  assert.equal(read({ OIDC_ISSUER: " ", OIDC_AUDIENCE: "", OIDC_GRANTS: "" }), undefined);
  const grants = `[{"claims": {"groups": "billing", "/org/id": "7"}, "namespace": "billing", "scopes": ["read", "deploy"]},
    ${OIDC_GRANTS.slice(1)}`;
  assert.deepEqual(
    read({ ...WHOLE, OIDC_AUDIENCE: "bellhop, https://bellhop.example", OIDC_GRANTS: grants }),
    {
      issuer: "https://id.example.com/",
      audiences: ["bellhop", "https://bellhop.example"],
      mapping: {
        rules: [
          { claims: { groups: "billing", "/org/id": "7" }, namespace: "billing", scopes: ["read", "deploy"] },
          { claims: { groups: "ops" }, namespace: "default", scopes: ["operator"] },
        ],
        ownClaims: undefined,
      },
      signIn: undefined,
    },
  );
  const own = { OIDC_NAMESPACE_CLAIM: "team", OIDC_SCOPES_CLAIM: "/bellhop/scopes" };
  assert.deepEqual(read({ ...WHOLE, OIDC_GRANTS: "", ...own })!.mapping, {
    rules: [],
    ownClaims: { namespace: "team", scopes: "/bellhop/scopes" },
  });
});

test("what is half set ends the start, and says what is missing", () => {
  const { OIDC_ISSUER, OIDC_AUDIENCE } = WHOLE;
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ OIDC_AUDIENCE }, /OIDC_AUDIENCE has no effect without OIDC_ISSUER/],
    [{ OIDC_GRANTS }, /OIDC_GRANTS has no effect without OIDC_ISSUER/],
    [{ OIDC_SCOPES_CLAIM: "scope" }, /OIDC_SCOPES_CLAIM has no effect/],
    [{ OIDC_ISSUER, OIDC_GRANTS }, /OIDC_ISSUER needs OIDC_AUDIENCE/],
    [{ OIDC_ISSUER, OIDC_AUDIENCE }, /needs OIDC_GRANTS, or OIDC_NAMESPACE_CLAIM/],
    [{ ...WHOLE, OIDC_NAMESPACE_CLAIM: "team" }, /go together/],
    [{ ...WHOLE, OIDC_SCOPES_CLAIM: "scope" }, /go together/],
    [{ ...WHOLE, OIDC_AUDIENCES: "x" }, /There is no setting OIDC_AUDIENCES; did you mean OIDC_AUDIENCE\?/],
  ];
  for (const [env, message] of cases) assert.match(refusal(env), message);
});

test("people sign in where there is a client, whose ID tokens are taken", () => {
  const { OIDC_AUDIENCE: _, ...issuer } = WHOLE;
  const client = { ...issuer, OIDC_CLIENT_ID: "console", BELLHOP_PUBLIC_URL: "https://bellhop.example/" };
  const { audiences, signIn } = read(client)!;
  assert.deepEqual(audiences, ["console"]);
  assert.deepEqual(signIn, {
    ...{ name: "id.example.com", clientId: "console", clientSecret: undefined, scopes: "openid" },
    redirectUri: "https://bellhop.example/console/sign-in",
  });
  assert.deepEqual(read({ ...client, OIDC_AUDIENCE: "bellhop" })!.audiences, ["bellhop", "console"]);
  const more = {
    OIDC_CLIENT_SECRET: "s3cret",
    OIDC_CLIENT_SCOPES: "openid groups",
    OIDC_PROVIDER_NAME: "Acme",
  };
  const whole = read({ ...client, ...more })!.signIn!;
  assert.deepEqual([whole.clientSecret, whole.scopes, whole.name], ["s3cret", "openid groups", "Acme"]);

  assert.match(refusal({ ...client, BELLHOP_PUBLIC_URL: "" }), /OIDC_CLIENT_ID needs BELLHOP_PUBLIC_URL/);
  assert.match(refusal({ ...client, OIDC_CLIENT_SCOPES: "groups" }), /must have openid/);
  for (const [name, value] of Object.entries(more)) {
    const message = refusal({ ...WHOLE, [name]: value });
    assert.match(message, new RegExp(`${name} has no effect without OIDC_CLIENT_ID`));
    assert.ok(!message.includes(value));
    assert.match(refusal({ [name]: value }), new RegExp(`${name} has no effect without OIDC_ISSUER`));
  }
});

test("an issuer is asked by https, or on this machine", () => {
  for (const issuer of [
    "https://id.example.com",
    "https://id.example.com/realms/a/",
    "http://localhost:9000",
  ])
    assert.equal(read({ ...WHOLE, OIDC_ISSUER: issuer })!.issuer, issuer);
  for (const issuer of ["http://127.0.0.1:1", "http://[::1]:1/a"])
    assert.equal(read({ ...WHOLE, OIDC_ISSUER: issuer })!.issuer, issuer);
  for (const issuer of [
    ...[
      "http://id.example.com",
      "http://localhost.example.com",
      "http://127.0.0.1.example.com",
      "id.example.com",
    ],
    ...[
      "ftp://id.example.com",
      "https://ann:pw@id.example.com",
      "https://id.example.com?a=b",
      "https://a.example#",
    ],
  ]) {
    const message = refusal({ ...WHOLE, OIDC_ISSUER: issuer });
    assert.match(message, /^The setting OIDC_ISSUER must be an https:\/\/ URL/);
    assert.doesNotMatch(message, /pw@/);
  }
});

test("a rule that cannot be is refused by its place", () => {
  const rule = { claims: { groups: "a" }, namespace: "billing", scopes: ["read"] };
  const cases: [unknown, RegExp][] = [
    ["no JSON", /must be JSON, such as \[/],
    [{}, /rules: /],
    [[], /at least one rule/],
    [[rule, { ...rule, claims: {} }], /rules\.1\.claims: must name at least one claim/],
    [[{ ...rule, claims: { groups: ["a"] } }], /rules\.0\.claims\.groups: must be a string/],
    [[{ ...rule, claims: { groups: "" } }], /rules\.0\.claims\.groups/],
    [[{ ...rule, namespace: "Billing" }], /rules\.0\.namespace: must be 1 to 63/],
    [[{ claims: rule.claims, scopes: ["read"] }], /rules\.0\.namespace: is needed/],
    [[{ ...rule, scopes: [] }], /rules\.0\.scopes: must name at least one scope/],
    [[{ ...rule, scopes: ["everything"] }], /rules\.0\.scopes\.0: must be one of read, write/],
    [[{ ...rule, functions: ["greet"] }], /functions/],
  ];
  for (const [given, message] of cases) {
    const text = typeof given === "string" ? given : JSON.stringify(given);
    assert.match(refusal({ ...WHOLE, OIDC_GRANTS: text }), message);
  }
});
