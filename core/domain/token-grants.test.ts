import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../json.ts";
import { findGrants, type TokenMapping } from "./token-grants.ts";

const MAPPING: TokenMapping = {
  rules: [
    { claims: { groups: "billing devs" }, namespace: "billing", scopes: ["read", "deploy"] },
    { claims: { groups: "billing-leads" }, namespace: "billing", scopes: ["deploy", "admin"] },
    { claims: { repository: "acme/shop", ref: "refs/heads/main" }, namespace: "shop", scopes: ["deploy"] },
    { claims: { "https://acme.example/roles": "auditor" }, namespace: "default", scopes: ["read"] },
    { claims: { "/realm_access/roles": "ops" }, namespace: "default", scopes: ["operator", "read"] },
    { claims: { scope: "shop:invoke" }, namespace: "shop", scopes: ["invoke"] },
  ],
  ownClaims: { namespace: "bellhop_namespace", scopes: "bellhop_scopes" },
};

const grants = (claims: JsonObject, mapping = MAPPING) => findGrants(claims, mapping);

test("what nothing maps is not granted", () => {
  for (const claims of [
    {},
    { sub: "ann", groups: [] },
    { groups: "billing" },
    { groups: { "billing devs": true } },
    { groups: [["billing devs"], 7, null] },
    { groups: "Billing Devs" },
    { realm_access: ["ops"] },
    { realm_access: { roles: { ops: true } } },
    { scope: "shop:invoker" },
  ])
    assert.deepEqual(grants(claims), [], JSON.stringify(claims));
});

test("a claim matches by a string or an item of a list; scopes of a namespace add up", () => {
  assert.deepEqual(grants({ groups: "billing devs" }), [
    { namespace: "billing", scopes: ["read", "deploy"] },
  ]);
  assert.deepEqual(grants({ groups: ["billing-leads", "billing devs"], scope: "openid shop:invoke" }), [
    { namespace: "billing", scopes: ["read", "deploy", "admin"] },
    { namespace: "shop", scopes: ["invoke"] },
  ]);
});

test("a rule of several claims wants all of them", () => {
  const claims = { repository: "acme/shop", ref: "refs/heads/main" };
  assert.deepEqual(grants(claims), [{ namespace: "shop", scopes: ["deploy"] }]);
  assert.deepEqual(grants({ ...claims, ref: "refs/pull/7/merge" }), []);
  assert.deepEqual(grants({ ref: "refs/heads/main" }), []);
});

test("a claim may be named by a URL, or by a pointer into another one", () => {
  assert.deepEqual(grants({ "https://acme.example/roles": ["auditor"] }), [
    { namespace: "default", scopes: ["read"] },
  ]);
  assert.deepEqual(grants({ realm_access: { roles: ["ops"] } }), [
    { namespace: "default", scopes: ["operator"] },
  ]);
  const odd = { claims: { "/a~1b/c~0d": "x" }, namespace: "odd", scopes: ["read"] } as const;
  const mapping = { rules: [odd], ownClaims: undefined };
  assert.deepEqual(grants({ "a/b": { "c~d": "x" } }, mapping), [{ namespace: "odd", scopes: ["read"] }]);
});

test("nothing is found in what an object inherits", () => {
  const rules = [{ claims: { "/constructor/name": "Object" }, namespace: "shop", scopes: ["read"] }] as const;
  assert.deepEqual(grants({}, { rules, ownClaims: undefined }), []);
});

test("an operator's grant is the only one", () => {
  const claims = { groups: ["billing devs"], realm_access: { roles: ["ops"] } };
  assert.deepEqual(grants(claims), [{ namespace: "default", scopes: ["operator"] }]);
});

test("a token may name its namespaces and scopes itself, but make no operator of its bearer", () => {
  const own = { bellhop_namespace: "billing", bellhop_scopes: ["read", "operator", "everything"] };
  assert.deepEqual(grants(own), [{ namespace: "billing", scopes: ["read"] }]);
  assert.deepEqual(grants({ ...own, bellhop_namespace: ["shop", "pay roll", "billing\0"] }), [
    { namespace: "shop", scopes: ["read"] },
  ]);
  assert.deepEqual(grants({ ...own, bellhop_scopes: "operator" }), []);
  assert.deepEqual(grants({ bellhop_namespace: "billing" }), []);
  const many = Array.from({ length: 100 }, (_, n) => `team-${n}`);
  assert.equal(grants({ ...own, bellhop_namespace: many }).length, 20);
  assert.deepEqual(grants(own, { ...MAPPING, ownClaims: undefined }), []);
});
