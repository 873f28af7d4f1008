import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../database.ts";
import { LONGEST_TURN_WAIT_MS, MAX_WAITING, takeTurn } from "./take-turns.ts";

/** A store whose turns no other test takes. */
const newStore = () => ({ pool: {} as Store["pool"] });
const placeOf = (key: string) => ({ namespaceId: "one", scope: "greet", key });
const BUSY = { status: 503, code: "overloaded", retryAfterSeconds: 2 };

test("of those who come to a place one acts at a time, in their order; another place is apart", async () => {
  const store = newStore();
  const begun: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const act = (key: string, name: string) => {
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return takeTurn(store, placeOf(key), async () => {
      begun.push(name);
      await gate.promise;
      return name;
    });
  };
  const all = [act("k", "first"), act("k", "second"), act("k", "third"), act("other", "apart")];
  assert.deepEqual(begun, ["first", "apart"]);
  gates.get("first")!.reject(new Error("it failed"));
  await assert.rejects(all[0]!, /it failed/);
  assert.deepEqual(begun, ["first", "apart", "second"]);
  for (const name of ["second", "third", "apart"]) gates.get(name)!.resolve();
  assert.deepEqual(await Promise.all(all.slice(1)), ["second", "third", "apart"]);
  assert.equal(await takeTurn(store, placeOf("k"), async () => "anew"), "anew");
});

test("who comes to a long line is sent away, and so is who has waited long when its turn comes", async () => {
  const store = newStore();
  let nowMs = 0;
  let acted = 0;
  const gate = Promise.withResolvers<void>();
  const act = async () => {
    acted += 1;
    await gate.promise;
  };
  const come = () =>
    takeTurn(store, placeOf("k"), act, () => nowMs).then(
      () => "acted",
      (error: unknown) => error,
    );
  const first = come();
  const waiting = Array.from({ length: MAX_WAITING }, come);
  await assert.rejects(takeTurn(store, placeOf("k"), act), BUSY);
  nowMs = LONGEST_TURN_WAIT_MS + 1;
  gate.resolve();
  assert.equal(await first, "acted");
  for (const answer of await Promise.all(waiting))
    assert.deepEqual(
      { ...BUSY },
      Object.fromEntries(Object.keys(BUSY).map((name) => [name, (answer as Record<string, unknown>)[name]])),
    );
  assert.equal(acted, 1);
});
