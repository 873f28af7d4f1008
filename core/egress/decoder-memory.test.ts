import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { type DecoderClaim, DecoderMemory } from "./decoder-memory.ts";
import { EgressError, type EgressErrorCode } from "./egress-error.ts";

const LIMITS = { tenantBytes: 60, totalBytes: 100 };

function open() {
  const clock = createManualClock();
  const memory = new DecoderMemory(LIMITS, clock);
  const granted: string[] = [];
  const revoked: string[] = [];
  const claim = (name: string, tenant: string, bytes: number, changes: Partial<DecoderClaim> = {}) => {
    const taking = memory.take({
      tenant,
      bytes,
      holder: {},
      holderBytes: Infinity,
      signal: new AbortController().signal,
      onRevoked: () => revoked.push(name),
      ...changes,
    });
    taking.then(
      () => granted.push(name),
      () => {},
    );
    return taking;
  };
  return { clock, memory, granted, revoked, claim };
}

async function assertFails(promise: Promise<unknown>, code: EgressErrorCode): Promise<void> {
  await assert.rejects(promise, (thrown) => thrown instanceof EgressError && thrown.code === code);
}

describe("the memory of decoders", () => {
  it("is granted at once while there is room, and held until it is given back, once", async () => {
    const { memory, claim } = open();
    const release = await claim("a", "t", 60);
    assert.equal(memory.heldBytes, 60);
    release();
    release();
    assert.equal(memory.heldBytes, 0);
    await claim("b", "t", 60);
  });

  it("refuses what could never be held", async () => {
    const { claim } = open();
    await assertFails(claim("a", "t", 61), "response_too_large");
    await assertFails(claim("b", "t", 21, { holderBytes: 20 }), "response_too_large");
  });

  it("holds a run to its own bound, while its tenant's other runs go on", async () => {
    const { clock, granted, claim } = open();
    const run = { holder: {}, holderBytes: 20 };
    const release = await claim("a", "t", 20, run);
    void claim("b", "t", 1, run);
    await claim("c", "t", 20);
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "c"]);
    release();
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "c", "b"]);
  });

  it("holds a tenant to its bound, in the order of its claims, while another goes on", async () => {
    const { clock, granted, claim } = open();
    const release = await claim("a", "t", 50);
    void claim("large", "t", 30);
    void claim("small", "t", 5);
    await claim("other", "u", 40);
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "other"]);
    release();
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "other", "large", "small"]);
  });

  it("serves the tenant first that holds least", async () => {
    const { clock, granted, claim } = open();
    const [first, second] = [await claim("a", "t", 50), await claim("b", "u", 45)];
    void claim("rich", "t", 10);
    void claim("poor", "v", 10);
    await clock.advance(0);
    second();
    first();
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "b", "poor", "rich"]);
  });

  it("lets no small one pass a large one for ever", async () => {
    const { clock, granted, claim } = open();
    await claim("a", "t", 45);
    const release = await claim("b", "u", 45);
    void claim("large", "v", 50);
    void claim("small", "w", 10);
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "b"]);
    release();
    await clock.advance(0);
    assert.deepEqual(granted, ["a", "b", "large"]);
  });

  it("fails a claim that has waited for ten seconds, and lets those behind it on", async () => {
    const { clock, granted, claim } = open();
    await claim("a", "t", 40);
    const waiting = claim("large", "t", 30);
    void claim("small", "t", 10);
    const failing = assertFails(waiting, "overloaded");
    await clock.advance(9_999);
    assert.deepEqual(granted, ["a"]);
    await clock.advance(1);
    await failing;
    assert.deepEqual(granted, ["a", "small"]);
    assert.equal(clock.sleepers, 0);
  });

  it("forgets a claim whose caller has gone", async () => {
    const { clock, memory, claim } = open();
    const caller = new AbortController();
    const release = await claim("a", "t", 60);
    const waiting = claim("b", "t", 60, { signal: caller.signal });
    caller.abort(new Error("gone"));
    await assert.rejects(waiting, /gone/);
    await assert.rejects(claim("c", "t", 1, { signal: caller.signal }), /gone/);
    release();
    assert.deepEqual([memory.heldBytes, clock.sleepers], [0, 0]);
  });

  it("is taken from who holds most, after a second, for a tenant that is left with less all the same", async () => {
    const { clock, revoked, claim } = open();
    for (const name of ["a1", "a2", "a3"]) await claim(name, "a", 20);
    await claim("b", "b", 40);
    void claim("poor", "c", 30);
    await clock.advance(999);
    assert.deepEqual(revoked, []);
    await clock.advance(1);
    assert.deepEqual(revoked, ["a1", "a2"]);
    // They take their time to give it back; nobody is asked twice.
    await clock.advance(3_000);
    assert.deepEqual(revoked, ["a1", "a2"]);
  });

  it("is not taken from who would be left with less than the one who asks", async () => {
    const { clock, revoked, claim } = open();
    for (const tenant of ["a", "b", "c", "d"]) await claim(tenant, tenant, 25);
    const waiting = assertFails(claim("e", "e", 25), "overloaded");
    await clock.advance(10_000);
    await waiting;
    assert.deepEqual(revoked, []);
  });

  it("stays with who has held it for less than a second", async () => {
    const { clock, revoked, claim } = open();
    await claim("b", "b", 45);
    const release = await claim("a", "a", 55);
    void claim("late", "a", 55);
    void claim("poor", "c", 20);
    await clock.advance(500);
    release();
    await clock.advance(0);
    void claim("a", "a", 35);
    await clock.advance(500);
    // "poor" came in, and "a" with it, whom nobody may take from yet.
    void claim("poorest", "d", 10);
    await clock.advance(400);
    assert.deepEqual(revoked, []);
  });
});
