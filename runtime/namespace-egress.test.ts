import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY_EGRESS, type NamespaceEgress } from "../core/domain/namespace-egress.ts";
import type { Bell } from "../core/store/listen.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createNamespaceRules } from "./namespace-egress.ts";

function openRules() {
  let ring: (bell: Bell) => void = () => assert.fail("nobody listens");
  const said = new Map<string, NamespaceEgress>();
  const clock = createManualClock();
  const errors: unknown[] = [];
  const state = { nowMs: 0, loads: 0, isAway: false, said, errors, ring: (bell: Bell) => ring(bell) };
  /** Each load waits for its own, where there is one. */
  const holds: Promise<void>[] = [];
  const find = createNamespaceRules({
    async load() {
      state.loads++;
      if (state.isAway) throw new Error("away");
      const read = new Map(said);
      await holds.shift();
      return read;
    },
    listener: {
      async on(channel, handler) {
        assert.equal(channel, "bellhop_keys");
        ring = handler;
      },
    },
    clock,
    onError: (error) => errors.push(error),
    nowMs: () => state.nowMs,
  });
  return { state, find, clock, holds };
}
const hostsOf = (hosts: string[]): NamespaceEgress => ({ ...ANY_EGRESS, hosts });

test("rules are read once in 0.9 s for all namespaces, and anew after a bell", async () => {
  const { state, find } = openRules();
  assert.equal(await find("one"), undefined);
  state.said.set("one", hostsOf(["a.test"]));
  state.nowMs = 899;
  assert.equal(await find("one"), undefined);
  state.nowMs = 900;
  assert.deepEqual((await find("one"))?.hosts, ["a.test"]);
  assert.equal(await find("two"), undefined);
  assert.equal(state.loads, 2);
  state.said.set("one", hostsOf([]));
  state.ring({ ids: [], resync: false });
  assert.deepEqual((await find("one"))?.hosts, []);
  state.said.delete("one");
  state.ring({ ids: ["of a key"], resync: true });
  assert.equal(await find("one"), undefined);
});

test("rules that are as they were stay the same object", async () => {
  const { state, find } = openRules();
  state.said.set("one", { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16", "::1"], hosts: null });
  const before = await find("one");
  assert.deepEqual([before?.allow.length, before?.deny.length], [1, 2]);
  state.said.set("two", hostsOf([]));
  state.ring({ ids: [], resync: false });
  assert.ok(await find("two"));
  assert.equal(await find("one"), before);
});

test("while the database is away the rules that were read last hold; where none were, nothing is known", async () => {
  const { state, find } = openRules();
  state.isAway = true;
  await assert.rejects(async () => await find("one"), /away/);
  state.isAway = false;
  state.said.set("one", hostsOf(["a.test"]));
  const known = await find("one");
  state.isAway = true;
  state.nowMs = 10_000;
  assert.equal(await find("one"), known);
  assert.equal(await find("two"), undefined);
  assert.equal(state.errors.length, 3);
});

test("a database that says nothing holds a request up for a second, and is not asked twice by those that come meanwhile", async () => {
  const { state, find, clock, holds } = openRules();
  state.said.set("one", hostsOf(["a.test"]));
  const known = await find("one");
  const silent = Promise.withResolvers<void>();
  holds.push(silent.promise);
  state.nowMs = 1_000;
  const waiting = [find("one"), find("one")];
  await clock.advance(1_000);
  assert.deepEqual(await Promise.all(waiting), [known, known]);
  assert.equal(state.loads, 2);
  silent.resolve();
});

test("rules that were read before a change do not take the place of those after it", async () => {
  const { state, find, holds } = openRules();
  state.said.set("one", hostsOf(["a.test"]));
  const slow = Promise.withResolvers<void>();
  holds.push(slow.promise);
  const first = find("one");
  state.said.set("one", hostsOf([]));
  state.ring({ ids: [], resync: false });
  const second = await find("one");
  assert.deepEqual(second?.hosts, []);
  slow.resolve();
  assert.equal(await first, second);
  state.isAway = true;
  state.nowMs = 10_000;
  assert.equal(await find("one"), second);
});

test("rules that cannot be read close their own namespace, and no other", async () => {
  const { state, find } = openRules();
  state.said.set("one", { ...ANY_EGRESS, deny: ["::/0.5"] }).set("two", hostsOf(["a.test"]));
  assert.deepEqual((await find("one"))?.hosts, []);
  assert.deepEqual((await find("two"))?.hosts, ["a.test"]);
  assert.match(String(state.errors[0]), /0\.5/);
});
