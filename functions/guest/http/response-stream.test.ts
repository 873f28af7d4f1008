import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connectHost, receiveMessage } from "../host.ts";
import { openCall, receiveCalls } from "./call-channel.ts";
import { type ResponseListener, streamResponse } from "./response-stream.ts";

test("a stream that has waited for its caller any number of times is cancelled, once", async () => {
  let sends = 0;
  connectHost({
    send: () => {
      sends += 1;
    },
    randomBytes: () => new Uint8Array(0),
    domainToAscii: () => "",
    nodeModule: () => "",
  });
  receiveCalls();
  const call: ResponseListener = { onCredit() {}, onLeave() {} };
  openCall(1, {
    onData() {},
    onEnd() {},
    onCredit: () => call.onCredit(),
    onLeave: (why) => call.onLeave(why),
  });
  const reasons: unknown[] = [];
  const source = {
    next: async () => new Uint8Array(1_048_576),
    cancel: (why: unknown) => void reasons.push((why as Error).message),
  };
  const sent = streamResponse({ status: 200, headers: [] }, source, call);
  await nextTurn();
  const before = sends;
  for (let waits = 0; waits < 20_000; waits += 1) {
    receiveMessage("call-pull", 1, "1", undefined);
    for (let turns = 0; turns < 3; turns += 1) await undefined;
  }
  assert.equal(sends - before, 20_000, "each byte of credit was waited for, and sent");
  receiveMessage("call-leave", 1, "", undefined);
  assert.equal(await sent, 262_144 + 20_000);
  assert.deepEqual(reasons, ["The caller is gone"]);
});
