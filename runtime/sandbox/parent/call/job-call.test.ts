import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CallerStream } from "../../../../core/contracts/call-stream.ts";
import { failed, succeeded } from "../../../../core/domain/attempt.ts";
import { CALL_WINDOW_BYTES, type CallSay } from "../../protocol/call-messages.ts";
import { ProtocolError } from "../fetch/protocol-error.ts";
import { JobCall } from "./job-call.ts";
import { readCallSay } from "./read-call-say.ts";

function openCall() {
  let feed!: CallerStream;
  const heard: string[] = [];
  const call = new JobCall({
    head: { method: "POST", url: "http://a/", headers: [], hasBody: true },
    onOpen(given) {
      feed = given;
    },
    onHead: ({ status }) => heard.push(`head ${status}`),
    onData: (bytes) => heard.push(`data ${bytes.byteLength}`),
    onEnd: () => heard.push("end"),
    onPull: (bytes) => heard.push(`pull ${bytes}`),
  });
  const told: { t: string; base64?: string }[] = [];
  return { call, feed, heard, told, attach: () => call.attach((message) => void told.push(message)) };
}

const head: CallSay = { t: "call-head", id: 1, head: { status: 200, headers: [["a", "b"]] } };
const data = (bytes: number): CallSay => ({
  t: "call-data",
  id: 1,
  base64: Buffer.alloc(bytes).toString("base64"),
});

describe("the call of a job", () => {
  test("keeps what is fed before its run is under way, and cuts it into chunks", () => {
    const { feed, told, attach } = openCall();
    feed.data(new Uint8Array(100_000));
    feed.end();
    feed.leave();
    assert.deepEqual(told, []);
    attach();
    assert.deepEqual(
      told.map(({ t, base64 }) => [t, base64 === undefined ? 0 : Buffer.from(base64, "base64").length]),
      [
        ["call-data", 65_536],
        ["call-data", 34_464],
        ["call-end", 0],
        ["call-leave", 0],
      ],
    );
  });

  test("says nothing more once it is closed", () => {
    const { call, feed, told, attach } = openCall();
    attach();
    call.close();
    feed.data(new Uint8Array(1));
    feed.pull(1);
    assert.deepEqual(told, []);
  });

  test("kills an executor that sends what it was not granted, or out of order", () => {
    const sayings: CallSay[][] = [
      [data(1)],
      [{ t: "call-end", id: 1 }],
      [head, head],
      [head, { t: "call-end", id: 1 }, data(1)],
      [head, { t: "call-end", id: 1 }, { t: "call-end", id: 1 }],
      [head, ...Array.from({ length: 4 }, () => data(65_536)), data(1)],
      [{ t: "call-pull", id: 1, bytes: 1 }],
    ];
    for (const said of sayings) {
      const { call } = openCall();
      const last = said.at(-1)!;
      for (const say of said.slice(0, -1)) call.receive(say);
      assert.throws(() => call.receive(last), ProtocolError, JSON.stringify(last).slice(0, 60));
    }
  });

  test("takes as much again as was pulled, and grants what was fed", () => {
    const { call, feed, heard } = openCall();
    call.receive(head);
    for (let sent = 0; sent < CALL_WINDOW_BYTES; sent += 65_536) call.receive(data(65_536));
    feed.pull(10);
    call.receive(data(10));
    feed.data(new Uint8Array(5));
    call.receive({ t: "call-pull", id: 1, bytes: 5 });
    assert.deepEqual(heard.slice(-2), ["data 10", "pull 5"]);
  });

  test("refuses heads that cannot be sent: the run fails, its executor lives", () => {
    const heads: unknown[] = [
      null,
      {},
      { status: 99, headers: [] },
      { status: "200", headers: [] },
      { status: 200, headers: {} },
      { status: 200, headers: [["a b", "c"]] },
      { status: 200, headers: [["a", "b\r\nc: d"]] },
      { status: 200, headers: [["a", 1]] },
      { status: 200, headers: [["a", "x".repeat(70_000)]] },
      { status: 200, headers: Array.from({ length: 1_001 }, () => ["a", "b"]) },
    ];
    for (const given of heads) {
      const { call, heard } = openCall();
      const refusal = call.receive({ t: "call-head", id: 1, head: given });
      assert.equal(refusal?.kind, "failed");
      assert.deepEqual(heard, []);
      const whole = openCall().call.judge(succeeded({ ...(given as object), body: "" }));
      assert.equal(whole.kind, "failed");
    }
  });

  test("takes a success only with a response that was sent whole, or comes whole", () => {
    const whole = { status: 200, headers: [], body: "x" };
    assert.deepEqual(openCall().call.judge(succeeded({ ...whole, more: 1 })), succeeded(whole));
    const streamed = succeeded({ status: 200, bodyBytes: 0 });
    assert.equal(openCall().call.judge(streamed).kind, "failed", "nothing was streamed");
    const broken = openCall().call;
    broken.receive(head);
    assert.equal(broken.judge(streamed).kind, "failed", "it has not ended");
    broken.receive({ t: "call-end", id: 1 });
    assert.deepEqual(broken.judge(streamed), streamed);
    const left = openCall();
    left.feed.leave();
    assert.deepEqual(left.call.judge(streamed), streamed);
    const error = failed("function_error", "boom", { retryable: true });
    assert.equal(openCall().call.judge(error), error);
  });
});

test("words about calls are read field by field", () => {
  const good: CallSay[] = [head, data(3), { t: "call-end", id: 0 }, { t: "call-pull", id: 1, bytes: 1 }];
  for (const say of good) assert.deepEqual(readCallSay({ ...say, more: 1 }), say);
  const bad: Record<string, unknown>[] = [
    { t: "call-head", id: -1, head: {} },
    { t: "call-data", id: 1 },
    { t: "call-data", id: 1, base64: "a" },
    { t: "call-data", id: 1, base64: Buffer.alloc(65_537).toString("base64") },
    { t: "call-pull", id: 1, bytes: 0 },
    { t: "call-pull", id: 1, bytes: CALL_WINDOW_BYTES + 1 },
    { t: "call-leave", id: 1 },
  ];
  for (const say of bad) assert.equal(readCallSay(say), undefined, JSON.stringify(say).slice(0, 60));
});
