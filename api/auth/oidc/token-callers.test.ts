/** Who comes with a token: verified anew after a minute, and watched for as long as a stream is open with it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../../../core/store/testing/test-store.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { startTestIssuer, TEST_AUDIENCE } from "../../../test/support/oidc-issuer.ts";
import { createIssuer, FRESH_MS, GOOD_MS } from "./issuer.ts";
import { createTokenCallers, LOOK_EVERY_MS, REMEMBER_MS, type TokenCaller } from "./token-callers.ts";

const START = new Date("2026-12-01T12:00:00Z");
const provider = await startTestIssuer(() => START);
after(() => provider.close());
const seconds = START.getTime() / 1_000;
const readers = { claims: { groups: "readers" }, namespace: "billing", scopes: ["read"] } as const;

function open() {
  provider.isAway = false;
  const clock = createManualClock(START);
  const seen: TokenCaller[] = [];
  const callers = createTokenCallers({
    config: {
      ...{ issuer: provider.url, audiences: [TEST_AUDIENCE] },
      mapping: { rules: [readers], ownClaims: undefined },
    },
    issuer: createIssuer({ issuer: provider.url, clock, onAway: () => {} }),
    clock,
    onSeen: (caller) => seen.push(caller),
  });
  return { clock, callers, seen };
}

const signReader = (claims: object = {}) => provider.sign({ groups: ["readers"], ...claims });

/** What the watcher was told by now. */
function watch({ callers }: ReturnType<typeof open>, token: string) {
  const told = { isInvalid: false };
  const leave = callers.watch(token, () => {
    told.isInvalid = true;
  });
  return { told, leave };
}

/** Lets time pass until it is asleep again, or has told. */
const settled = ({ clock }: ReturnType<typeof open>, told: { isInvalid: boolean }) =>
  until(async () => {
    await clock.advance(0);
    return told.isInvalid || clock.sleepers > 0 || undefined;
  });

test("a caller is its subject, whichever token it comes with, and what it is granted", async () => {
  const { callers, seen } = open();
  const first = await callers.find(await signReader());
  const second = await callers.find(await signReader({ exp: seconds + 60 }));
  assert.equal(first.id, second.id);
  assert.notEqual((await callers.find(await signReader({ sub: "bob" }))).id, first.id);
  assert.deepEqual(first.grants, [{ namespace: "billing", scopes: ["read"] }]);
  assert.deepEqual([first.subject, second.expiresAt.getTime()], ["ann", START.getTime() + 60_000]);
  assert.equal(seen.length, 3);
});

test("a token that opens nothing is valid and forbidden", async () => {
  const { callers, seen } = open();
  await assert.rejects(callers.find(await provider.sign({})), { status: 403, code: "forbidden" });
  assert.deepEqual(seen, []);
});

test("a token is verified once a minute; once it has expired it is refused at once", async () => {
  const { callers, seen, clock } = open();
  const token = await signReader({ exp: seconds + 65 });
  await callers.find(token);
  await clock.advance(REMEMBER_MS - 1);
  await callers.find(token);
  assert.equal(seen.length, 1);
  await clock.advance(1);
  await callers.find(token);
  assert.equal(seen.length, 2);
  await clock.advance(35_000);
  await assert.rejects(callers.find(token), { status: 401 });
});

test("who watches hears that the token has expired, also while the provider is away", async () => {
  for (const isAway of [false, true]) {
    const opened = open();
    const token = await signReader({ exp: seconds + 7_200 });
    await opened.callers.find(token);
    const { told } = watch(opened, token);
    await settled(opened, told);
    provider.isAway = isAway;
    await opened.clock.advance(GOOD_MS + FRESH_MS);
    await settled(opened, told);
    assert.equal(told.isInvalid, false);
    await opened.clock.advance(7_230_000 - GOOD_MS - FRESH_MS - 1);
    await settled(opened, told);
    assert.equal(told.isInvalid, false);
    await opened.clock.advance(1);
    await until(async () => told.isInvalid || undefined);
  }
});

test("who watches hears that the key which signed the token was withdrawn", async () => {
  const opened = open();
  const token = await signReader();
  await opened.callers.find(token);
  const { told } = watch(opened, token);
  await settled(opened, told);
  await provider.rotate();
  await until(async () => {
    if (opened.clock.sleepers > 0) await opened.clock.advance(LOOK_EVERY_MS);
    return told.isInvalid || undefined;
  });
  assert.ok(opened.clock.now().getTime() - START.getTime() <= FRESH_MS + REMEMBER_MS + LOOK_EVERY_MS);
});

test("who does not care any longer is told nothing, and keeps nothing awake", async () => {
  const opened = open();
  const token = await signReader({ exp: seconds + 1 });
  await opened.callers.find(token);
  const { told, leave } = watch(opened, token);
  await settled(opened, told);
  leave();
  assert.equal(opened.clock.sleepers, 0);
  await opened.clock.advance(60_000);
  assert.equal(told.isInvalid, false);
});
