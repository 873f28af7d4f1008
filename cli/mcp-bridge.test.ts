/** What the bridge itself answers, and whom it lets go; against the real API: test/cli/mcp.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "./failure.ts";
import { openBridge } from "./mcp-bridge.ts";

interface Asked {
  message: { id?: number; method?: string };
  headers: Headers;
  signal: AbortSignal;
  answer(response: Response | Error): void;
}

function open() {
  const asked: Asked[] = [];
  const sent: object[] = [];
  const told: string[] = [];
  const bridge = openBridge({
    request: (_path, init = {}) =>
      new Promise((resolve, reject) => {
        const signal = init.signal!;
        signal.addEventListener("abort", () => reject(signal.reason));
        asked.push({
          message: JSON.parse(init.body as string),
          headers: new Headers(init.headers),
          signal,
          answer: (response) => (response instanceof Error ? reject(response) : resolve(response)),
        });
      }),
    send: (answer) => sent.push(answer),
    tell: (problem) => told.push(problem),
  });
  const take = (message: object) => bridge.take(JSON.stringify(message));
  return { asked, sent, told, bridge, take };
}

test("answers pass each other, and the version that was agreed on goes with what follows", async () => {
  const { asked, sent, bridge, take } = open();
  take({ jsonrpc: "2.0", id: 1, method: "initialize" });
  asked[0]!.answer(Response.json({ jsonrpc: "2.0", id: 1, result: { protocolVersion: "2025-06-18" } }));
  await bridge.settle();
  take({ jsonrpc: "2.0", id: 2, method: "tools/list" });
  take({ jsonrpc: "2.0", id: 3, method: "ping" });
  assert.equal(asked[0]!.headers.get("mcp-protocol-version"), null);
  assert.equal(asked[1]!.headers.get("mcp-protocol-version"), "2025-06-18");
  asked[2]!.answer(Response.json({ jsonrpc: "2.0", id: 3, result: {} }));
  asked[1]!.answer(Response.json({ jsonrpc: "2.0", id: 2, result: { tools: [] } }));
  await bridge.settle();
  assert.deepEqual(sent.map((answer) => (answer as { id: number }).id).sort(), [1, 2, 3]);
});

test("what is taken back is ended, and is not answered", async () => {
  const { asked, sent, bridge, take } = open();
  take({ jsonrpc: "2.0", id: 7, method: "tools/call" });
  take({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
  await bridge.settle();
  assert.ok(asked[0]!.signal.aborted);
  assert.deepEqual([asked.length, sent], [1, []]);
});

test("what fails is an answer with what to do next; of a notification it is told", async () => {
  const { asked, sent, told, bridge, take } = open();
  take({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  take({ jsonrpc: "2.0", method: "notifications/initialized" });
  for (const { answer } of asked) answer(new Failure("No such key.", { hint: "Sign in." }));
  await bridge.settle();
  assert.deepEqual(sent, [
    { jsonrpc: "2.0", id: 1, error: { code: -32_603, message: "No such key. Sign in." } },
  ]);
  assert.deepEqual(told, ["No such key. Sign in."]);
});

test("a line that is no message is refused, and the next one is taken", async () => {
  const { asked, sent, bridge, take } = open();
  bridge.take("{");
  bridge.take("[]");
  bridge.take("");
  take({ jsonrpc: "2.0", method: "notifications/initialized" });
  asked[0]!.answer(new Response(null, { status: 202 }));
  await bridge.settle();
  assert.deepEqual(
    sent.map((answer) => (answer as { error: { code: number } }).error.code),
    [-32_700, -32_600],
  );
});
