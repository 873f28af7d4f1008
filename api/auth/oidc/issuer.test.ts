/** What the provider publishes, read from a real one on loopback: kept, looked up again, and done without for a while. */
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { errors } from "jose";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { startTestIssuer } from "../../../test/support/oidc-issuer.ts";
import { AWAY_PAUSE_MS, createIssuer, FRESH_MS, GOOD_MS, UNKNOWN_KEY_PAUSE_MS } from "./issuer.ts";

const provider = await startTestIssuer();
after(() => provider.close());
const METADATA = { issuer: provider.url, jwks_uri: `${provider.url}/keys` };

beforeEach(() => {
  provider.isAway = false;
  provider.metadata = METADATA;
  provider.requests.length = 0;
});

function open(issuer = provider.url) {
  const clock = createManualClock();
  const faults: string[] = [];
  const { findKey } = createIssuer({
    ...{ issuer, clock },
    onAway: (error) => faults.push((error as Error).message),
  });
  const find = (kid = provider.key.kid) =>
    findKey({ alg: provider.key.alg, kid }, { payload: "", signature: "" });
  const looks = () => provider.requests.filter(({ url }) => url === "/keys").length;
  return { clock, faults, find, looks };
}

const unknownKey = (error: unknown) => error instanceof errors.JWKSNoMatchingKey;
const away = { code: "issuer_unavailable", status: 503 };

test("its keys are asked for when the first token comes, once for all who come at once, and kept", async () => {
  const { find, looks, clock } = open();
  assert.equal(looks(), 0);
  await Promise.all([find(), find(), find()]);
  await clock.advance(FRESH_MS - 1);
  await find();
  assert.equal(looks(), 1);
  await clock.advance(1);
  await find();
  assert.equal(looks(), 2);
});

test("a key that is not known has them looked up again, but not again and again", async () => {
  const { find, looks, clock } = open();
  await find();
  const before = provider.key.kid;
  await provider.rotate();
  await assert.rejects(find(), unknownKey);
  assert.equal(looks(), 1);
  await clock.advance(UNKNOWN_KEY_PAUSE_MS);
  await Promise.all([find(), find()]);
  assert.equal(looks(), 2);
  await assert.rejects(find(before), unknownKey, "it was withdrawn");
  for (let n = 0; n < 20; n += 1) await assert.rejects(find(`made up ${n}`), unknownKey);
  assert.equal(looks(), 2);
});

test("a provider that is away at first lets nobody in, is not asked all the time, and is found again", async () => {
  const { find, clock, faults } = open();
  provider.isAway = true;
  await assert.rejects(find(), away);
  await assert.rejects(find(), away);
  assert.equal(faults.length, 1);
  assert.match(faults[0]!, /openid-configuration cannot be reached/);
  provider.isAway = false;
  await assert.rejects(find(), away);
  await clock.advance(AWAY_PAUSE_MS);
  await find();
});

test("while it is away the keys that are known are good, but not for ever", async () => {
  const { find, clock, faults } = open();
  await find();
  provider.isAway = true;
  await clock.advance(FRESH_MS);
  await find();
  await find();
  assert.equal(faults.length, 1);
  await clock.advance(GOOD_MS - FRESH_MS);
  await assert.rejects(find(), away);
  provider.isAway = false;
  await clock.advance(AWAY_PAUSE_MS);
  await find();
});

test("the document of another issuer, keys from elsewhere than https, and what is no document are not taken", async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ ...METADATA, issuer: `${provider.url}/` }, /is of the issuer .* not of OIDC_ISSUER/],
    [{ ...METADATA, jwks_uri: "http://keys.example.com/" }, /https/],
    [{ issuer: provider.url }, /jwks_uri/],
    [{ ...METADATA, jwks_uri: `${provider.url}/nowhere` }, /nowhere answers 404/],
    [{ ...METADATA, padding: "x".repeat(1_000_001) }, /more than 1000000 bytes/],
    [{ ...METADATA, jwks_uri: `${provider.url}/.well-known/openid-configuration` }, /keys/],
  ];
  for (const [metadata, message] of cases) {
    const { find, faults } = open();
    provider.metadata = metadata;
    await assert.rejects(find(), away);
    assert.match(faults[0]!, message);
  }
});

test("a slash at the end of the issuer's name is part of it, and not doubled where it is asked", async () => {
  const { find } = open(`${provider.url}/`);
  provider.metadata = { ...METADATA, issuer: `${provider.url}/` };
  await find();
  assert.equal(provider.requests[0]!.url, "/.well-known/openid-configuration");
});
