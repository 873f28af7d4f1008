/** Each fetch of a traced run is a span, whose context it sends. */
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { parseNetworks } from "../../../../core/egress/address-policy.ts";
import { createEgress } from "../../../../core/egress/egress.ts";
import { createHttpSink } from "../../../../test/support/http-sink.ts";
import { createSpanRecorder } from "../../../../test/support/recorded-spans.ts";
import type { FetchRequestHead } from "../../protocol/fetch-messages.ts";
import { RunFetches } from "./run-fetches.ts";

const egress = createEgress({ allow: parseNetworks("127.0.0.1") });
const sink = await createHttpSink();
after(async () => {
  await Promise.all([egress.close(), sink.close()]);
});
afterEach(() => {
  sink.reply = () => ({});
});

function begin(head: Partial<FetchRequestHead>, showHost?: (host: string) => string) {
  const { ended, start } = createSpanRecorder();
  const attempt = start("attempt function");
  const fetches = new RunFetches({
    ...{
      runId: 1,
      egress,
      tenant: "t",
      subrequests: 10,
      memoryMb: 128,
      traceparent: attempt.traceparent,
      span: attempt,
      showHost,
    },
    send: () => true,
    isCongested: () => false,
    drained: () => Promise.resolve(),
  });
  const whole: FetchRequestHead = {
    ...{ method: "GET", url: sink.url, headers: [], redirect: "follow", hasBody: false },
    ...head,
  };
  fetches.receive({ t: "fetch", id: 1, no: 1, head: whole });
  return { attempt, fetches, span: ended.waitFor(() => true).then(([span]) => span!) };
}

test("its context is what the receiver sees", async () => {
  const { attempt, span } = begin({ url: `${sink.url}/seen?key=s3cret` });
  const { parent, traceparent, name, attributes, errorType } = await span;
  assert.deepEqual([name, parent, errorType], ["GET", attempt.traceparent, undefined]);
  assert.equal(attributes["http.response.status_code"], 200);
  const [request] = await sink.waitFor(({ url }) => url.startsWith("/seen"));
  assert.equal(request!.headers["traceparent"], traceparent);
});

test("its host is named as the run's records name it", async () => {
  const { attributes } = await begin({ url: "http://abcdef.example:1/" }, (host) => host.slice(3)).span;
  assert.equal(attributes["server.address"], "def.example");
});

test("a trace that the author carries on himself is left to him", async () => {
  const own = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  await begin({ url: `${sink.url}/own`, headers: [["traceparent", own]] }).span;
  const [request] = await sink.waitFor(({ url }) => url === "/own");
  assert.equal(request!.headers["traceparent"], own);
});

test("one that fails is an error by its code, one that the run's end cuts off is cancelled", async () => {
  assert.equal((await begin({ url: "http://10.1.2.3/" }).span).errorType, "address_blocked");
  assert.equal((await begin({ method: "TRACE" }).span).errorType, "invalid_request");
  const stalled = Promise.withResolvers<object>();
  sink.reply = () => stalled.promise;
  const { fetches, span } = begin({ url: `${sink.url}/stalled` });
  await sink.waitFor(({ url }) => url === "/stalled");
  fetches.close();
  assert.equal((await span).errorType, "cancelled");
  stalled.resolve({});
});
