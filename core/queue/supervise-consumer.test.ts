import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createPatience } from "./patience.ts";
import { type Member, superviseConsumer } from "./supervise-consumer.ts";

/** A group whose members the test ends, and a clock that it moves. */
function openGroup({ answers = true } = {}) {
  const clock = createManualClock();
  const told: string[] = [];
  const members: { end(error: Error): void; silence: "none" | "long" | "dead"; inHand: Promise<void> }[] = [];
  const state: { refusal: Error | undefined } = { refusal: undefined };
  async function join(): Promise<Member> {
    if (state.refusal) throw state.refusal;
    const ended = Promise.withResolvers<unknown>();
    const mine = { end: ended.resolve, silence: "none" as const, inHand: Promise.resolve() };
    members.push(mine);
    return {
      ended: ended.promise,
      judgeSilence: () => mine.silence,
      async leave() {
        told.push("left");
        await mine.inHand;
      },
    };
  }
  const { hearing, stop } = superviseConsumer({
    join,
    patience: createPatience({
      clock,
      isRefusal: (error) => String(error).includes("no right"),
      askBroker: () => (answers ? Promise.resolve() : new Promise(() => {})),
    }),
    clock,
    random: () => 0,
    report: {
      joined: () => told.push("joined"),
      lost: (error, waitMs, wasMember) =>
        told.push(`${wasMember ? "lost" : "failed"}: ${(error as Error).message}, ${waitMs}`),
      hopeless: (error) => told.push(`hopeless: ${error.message}`),
    },
  });
  const heard: boolean[] = [];
  hearing.watch((isHeard) => heard.push(isHeard));
  return { clock, told, members, state, hearing, heard, stop, settle: () => clock.advance(0) };
}

test("a consumer that crashes is left, and a fresh one joins after a wait", async () => {
  const { clock, told, members, heard, stop, settle } = openGroup();
  await settle();
  members[0]!.end(new Error("the coordinator is not aware of this member"));
  await settle();
  assert.deepEqual(told, ["joined", "left", "lost: the coordinator is not aware of this member, 250"]);
  await clock.advance(250);
  assert.deepEqual([told.at(-1), members.length], ["joined", 2]);
  assert.deepEqual(heard, [false, true, false, true]);
  await stop();
  assert.deepEqual([told.at(-1), clock.sleepers], ["left", 0]);
});

test("a consumer to which nothing comes any more is replaced, although it says nothing", async () => {
  const { clock, told, members, hearing, stop } = openGroup();
  await clock.advance(1_000);
  members[0]!.silence = "long";
  await clock.advance(1_000);
  assert.equal(hearing.isHeard, false, "what rings now is not heard for sure");
  members[0]!.silence = "none";
  await clock.advance(1_000);
  assert.equal(hearing.isHeard, true);
  members[0]!.silence = "dead";
  await clock.advance(1_250);
  assert.match(told[2]!, /^lost: nothing came from the broker/);
  assert.deepEqual([members.length, hearing.isHeard], [2, true]);
  await stop();
});

test("what fails again and again waits twice as long each time, up to five seconds; one that lasted begins anew", async () => {
  const { clock, told, members, state, stop, settle } = openGroup();
  await settle();
  state.refusal = new Error("no broker");
  members[0]!.end(new Error("the broker is gone"));
  await clock.advance(27_000);
  const waits = told.flatMap((each) => /, (\d+)$/.exec(each)?.[1] ?? []);
  assert.deepEqual(waits, ["250", "500", "1000", "2000", "4000", "5000", "5000", "5000", "5000"]);
  state.refusal = undefined;
  await clock.advance(10_000);
  members[1]!.end(new Error("at once again"));
  await settle();
  assert.match(told.at(-1)!, /^lost: at once again, 5000$/);
  await clock.advance(5_000 + 60_000);
  members[2]!.end(new Error("after a minute"));
  await settle();
  assert.match(told.at(-1)!, /^lost: after a minute, 250$/);
  await stop();
});

test("it joins again only when what the former one had in hand is dealt with", async () => {
  const { clock, members, stop, settle } = openGroup();
  await settle();
  const inHand = Promise.withResolvers<void>();
  members[0]!.inHand = inHand.promise;
  members[0]!.end(new Error("crashed"));
  await clock.advance(60_000);
  assert.equal(members.length, 1);
  inHand.resolve();
  await clock.advance(250);
  assert.equal(members.length, 2);
  await stop();
});

test("what is refused for a quarter of a minute is hopeless; what failed for a shorter time, or otherwise, is not", async () => {
  const { clock, told, members, state, stop, settle } = openGroup();
  await settle();
  state.refusal = new Error("no right");
  members[0]!.end(new Error("crashed"));
  await clock.advance(10_000);
  state.refusal = new Error("no broker");
  await clock.advance(20_000);
  state.refusal = new Error("no right");
  await clock.advance(10_000);
  assert.ok(!told.some((each) => each.startsWith("hopeless")));
  await clock.advance(300_000);
  assert.deepEqual(
    told.filter((each) => each.startsWith("hopeless")),
    ["hopeless: Kafka refuses what a consumer needs: no right"],
  );
  await stop();
});

for (const answers of [true, false]) {
  test(`no member for five minutes is ${answers ? "" : "not "}hopeless while the broker ${answers ? "answers" : "is silent"}`, async () => {
    const { clock, told, members, state, stop, settle } = openGroup({ answers });
    await settle();
    state.refusal = new Error("the group coordinator is not available");
    members[0]!.end(new Error("crashed"));
    await clock.advance(290_000);
    assert.ok(!told.some((each) => each.startsWith("hopeless")));
    await clock.advance(60_000);
    assert.deepEqual(
      told.filter((each) => each.startsWith("hopeless")),
      answers
        ? [
            "hopeless: no consumer could be joined for 5 minutes although Kafka answers: the group coordinator is not available",
          ]
        : [],
    );
    await stop();
  });
}
