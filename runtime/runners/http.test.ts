import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { systemClock } from "../../core/clock.ts";
import { DEFAULT_POLICY } from "../../core/contracts/task-policy.ts";
import type { AttemptOutcome } from "../../core/domain/attempt.ts";
import type { LogLevel } from "../../core/domain/log-level.ts";
import type { HttpSpec } from "../../core/domain/task-spec.ts";
import { parseNetworks } from "../../core/egress/address-policy.ts";
import { createEgress, type Egress } from "../../core/egress/egress.ts";
import type { JsonObject } from "../../core/json.ts";
import { JsonSource } from "../../core/json-source.ts";
import { createSigningSecret } from "../../core/secrets/webhook-signature.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createDeliverySigner, type DeliverySigner } from "./delivery-signer.ts";
import { createHttpRunner } from "./http.ts";

const RUN_ID = "01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f";

let server: http.Server;
let base: string;
let egress: Egress;
let received: { method: string; url: string; headers: http.IncomingHttpHeaders; body: string }[];
let answer: http.RequestListener;
let logged: { level: LogLevel; message: string; fields: JsonObject | undefined }[];

before(async () => {
  egress = createEgress({ allow: parseNetworks("127.0.0.1") });
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    });
    answer(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  [received, logged] = [[], []];
  answer = (_, response) => response.end("ok");
});
after(async () => {
  await egress.close();
  server.close();
  server.closeAllConnections();
});

function runOf(spec: Partial<HttpSpec>, changes: Partial<ClaimedRun> = {}): ClaimedRun {
  return {
    id: RUN_ID,
    claimNo: 1,
    namespaceId: "n",
    taskId: "task-1",
    spec: { type: "http", method: "POST", url: `${base}/hook`, headers: {}, followRedirects: true, ...spec },
    attempt: 2,
    attemptOffset: 0,
    policy: DEFAULT_POLICY,
    limitsFrom: null,
    scheduledFor: new Date("2026-03-01T12:00:00.5Z"),
    startedAt: new Date(),
    functionId: null,
    revisionId: null,
    trigger: "schedule",

    holdsPermits: false,
    hasCallbacks: false,
    traceparent: null,
    ...changes,
  };
}

function attempt(
  spec: Partial<HttpSpec>,
  changes: Partial<ClaimedRun> = {},
  signal = new AbortController().signal,
  signer?: DeliverySigner,
) {
  const log = (level: LogLevel, message: string, fields?: JsonObject) =>
    void logged.push({ level, message, fields });
  return createHttpRunner({ egress, signer, clock: systemClock })(runOf(spec, changes), {
    signal,
    deadlineAt: new Date(Date.now() + 30_000),
    span: NO_SPAN,
    log,
  });
}

function answerWith(status: number, headers: http.OutgoingHttpHeaders = {}, body: string | Buffer = "") {
  answer = (_, response) => response.writeHead(status, headers).end(body);
}

async function resultOf(spec: Partial<HttpSpec> = {}) {
  const outcome = await attempt(spec);
  assert.equal(outcome.kind, "succeeded");
  return (outcome as AttemptOutcome & { kind: "succeeded" }).result as JsonObject;
}

async function failureOf(spec: Partial<HttpSpec> = {}) {
  const outcome = await attempt(spec);
  assert.equal(outcome.kind, "failed");
  return outcome as AttemptOutcome & { kind: "failed" };
}

describe("the request", () => {
  it("introduces the run", async () => {
    await attempt({});
    const { headers } = received[0]!;
    assert.equal(headers["bellhop-run-id"], RUN_ID);
    assert.equal(headers["bellhop-task-id"], "task-1");
    assert.equal(headers["bellhop-attempt"], "2");
    assert.equal(headers["bellhop-scheduled-at"], "2026-03-01T12:00:00.500Z");
    assert.equal(headers["idempotency-key"], RUN_ID);
    assert.match(headers["user-agent"]!, /^Bellhop\/\d+\.\d+\.\d+/);
    assert.match(String(headers["traceparent"]), /^00-01961b7e8f6a7c3d9e2b5a1f0c4d3e2f-[0-9a-f]{16}-01$/);
  });

  it("lets the author choose his own headers, but not pose as another run", async () => {
    await attempt(
      { headers: { "user-agent": "mine", "IDEMPOTENCY-KEY": "k", "bellhop-run-id": "forged" } },
      { taskId: null },
    );
    const { headers } = received[0]!;
    assert.deepEqual(
      [headers["user-agent"], headers["idempotency-key"], headers["bellhop-run-id"]],
      ["mine", "k", RUN_ID],
    );
    assert.equal(headers["bellhop-task-id"], undefined);
  });

  it("sends a string as it is and anything else as JSON", async () => {
    await attempt({ body: "a=1&b=2", headers: { "content-type": "application/x-www-form-urlencoded" } });
    await attempt({ body: { a: [1, null] } });
    await attempt({ body: [1], headers: { "Content-Type": "application/vnd.own+json" } });
    await attempt({ body: null });
    assert.deepEqual(
      received.map(({ body, headers }) => [body, headers["content-type"]]),
      [
        ["a=1&b=2", "application/x-www-form-urlencoded"],
        ['{"a":[1,null]}', "application/json"],
        ["[1]", "application/vnd.own+json"],
        ["null", "application/json"],
      ],
    );
  });

  it("sends no body where none is given", async () => {
    for (const method of ["GET", "HEAD", "POST", "DELETE"]) await attempt({ method });
    for (const { body, headers } of received)
      assert.deepEqual([body, headers["content-type"]], ["", undefined]);
  });

  it("sends a JSON body to the letter, so that what was signed is what arrives", async () => {
    const text = '{ "order":1234567890123456789,\n"a":1.0, "b":"\\u0000" }';
    await attempt({ body: new JsonSource(text) });
    const { headers, body } = received[0]!;
    assert.equal(headers["content-type"], "application/json");
    const sign = (signed: string) => createHmac("sha256", "key").update(signed).digest("hex");
    assert.equal(sign(body), sign(text));
  });
});

describe("the signature", () => {
  const first = createSigningSecret();
  const second = createSigningSecret();
  const clock = createManualClock(new Date("2026-03-01T12:00:00Z"));

  /** As a receiver verifies it, by the specification alone. */
  function isSignedBy(secret: string, { headers, body }: (typeof received)[number]): boolean {
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const expected = createHmac("sha256", key).update(signed).digest("base64");
    return String(headers["webhook-signature"]).split(" ").includes(`v1,${expected}`);
  }

  it("is by each secret that is valid, of the very bytes, and the same run has the same id", async () => {
    let valid = [first];
    const signer = createDeliverySigner(async () => valid, clock);
    const send = (spec: Partial<HttpSpec>) => attempt(spec, {}, undefined, signer);
    await send({ body: new JsonSource('{ "a":1.0, "b":"grüße" }') });
    await send({ body: "text" });
    await send({ method: "GET", headers: { "Webhook-Signature": "v1,forged", "webhook-id": "forged" } });
    valid = [second, first];
    await clock.advance(1_000);
    await send({ body: "rotated" });
    assert.deepEqual(
      received.map((request) => [isSignedBy(first, request), isSignedBy(second, request)]),
      [
        [true, false],
        [true, false],
        [true, false],
        [true, true],
      ],
    );
    assert.deepEqual([...new Set(received.map(({ headers }) => headers["webhook-id"]))], [RUN_ID]);
    assert.deepEqual(
      received.map(({ headers }) => Number(headers["webhook-timestamp"])),
      [1772366400, 1772366400, 1772366400, 1772366401],
    );
  });

  it("is what nothing is sent without: the attempt fails, and is tried again", async () => {
    const signer = createDeliverySigner(() => Promise.reject(new Error("sealed with another key")), clock);
    const outcome = await attempt({}, {}, undefined, signer);
    assert.deepEqual(outcome.kind === "failed" && [outcome.error.code, outcome.retryable], [
      "secrets_unavailable",
      true,
    ]);
    assert.equal(received.length, 0);
  });
});

describe("the record", () => {
  it("holds status, headers and text", async () => {
    answerWith(201, { "x-own": "1", "set-cookie": "session=secret", "content-type": "text/plain" }, "grüße");
    const { status, headers, body, ...rest } = await resultOf();
    assert.deepEqual([status, body, rest], [201, "grüße", {}]);
    assert.equal((headers as JsonObject)["x-own"], "1");
    assert.equal((headers as JsonObject)["set-cookie"], undefined);
  });

  it("holds JSON as JSON when it is whole and valid", async () => {
    for (const type of ["application/json", "application/problem+json; charset=utf-8"]) {
      answerWith(200, { "content-type": type }, '{"a":1}');
      assert.deepEqual((await resultOf())["body"], { a: 1 }, type);
    }
    answerWith(200, { "content-type": "application/json" }, '{"a":');
    assert.equal((await resultOf())["body"], '{"a":');
    answerWith(200, { "content-type": "text/plain" }, '{"a":1}');
    assert.equal((await resultOf())["body"], '{"a":1}');
    const deep = "[".repeat(20_000) + "]".repeat(20_000);
    answerWith(200, { "content-type": "application/json" }, deep);
    assert.equal((await resultOf())["body"], deep);
  });

  it("holds the text of what is encoded, with no word of the encoding", async () => {
    const text = "grüße ".repeat(100);
    for (const [coding, body] of [
      ["gzip", gzipSync(text)],
      ["deflate", deflateSync(text)],
      ["br", brotliCompressSync(text)],
      ["zstd", zstdCompressSync(text)],
      ["gzip, br", brotliCompressSync(gzipSync(text))],
      ["identity", Buffer.from(text)],
    ] as const) {
      answerWith(200, { "content-encoding": coding, "content-type": "text/plain" }, body);
      const result = await resultOf();
      assert.equal(result["body"], text, coding);
      if (coding !== "identity")
        assert.equal((result["headers"] as JsonObject)["content-encoding"], undefined, coding);
    }
    const json = { "content-encoding": "gzip", "content-type": "application/json" };
    answerWith(200, json, gzipSync('{"a":1}'));
    assert.deepEqual((await resultOf())["body"], { a: 1 });
    answerWith(200, json);
    assert.equal((await resultOf())["body"], "");
  });

  it("holds what cannot be decoded as it was sent, and says so", async () => {
    for (const [coding, body] of [
      ["gzip", Buffer.from("no gzip")],
      ["own", Buffer.from("text")],
      ["gzip, gzip, gzip", gzipSync(gzipSync(gzipSync("text")))],
    ] as const) {
      answerWith(200, { "content-encoding": coding, "content-type": "text/plain" }, body);
      const { body: recorded, headers } = await resultOf();
      assert.deepEqual(recorded, { base64: body.toString("base64") }, coding);
      assert.equal((headers as JsonObject)["content-encoding"], coding);
    }
  });

  it("bounds what swells up, and what is cut short is as good as its beginning", async () => {
    const headers = { "content-encoding": "gzip", "content-type": "text/plain" };
    answerWith(200, headers, gzipSync(Buffer.alloc(20_000_000, "a")));
    const bomb = await resultOf();
    assert.deepEqual([bomb["truncated"], bomb["body"]], [true, "a".repeat(65_536)]);
    answerWith(
      200,
      { ...headers, "content-encoding": "gzip, gzip" },
      gzipSync(gzipSync(Buffer.alloc(50_000_000))),
    );
    assert.ok((await resultOf())["body"], "twice over");
    const noise = randomBytes(80_000).toString("hex");
    answerWith(200, headers, gzipSync(noise));
    const cut = await resultOf();
    assert.deepEqual([cut["truncated"], cut["body"]], [true, noise.slice(0, 65_536)]);
  });

  it("holds text in the charset that its type or its byte order mark names", async () => {
    for (const [type, bytes, text] of [
      ["text/plain; charset=iso-8859-1", Buffer.from("café", "latin1"), "café"],
      ['text/html; charset="windows-1252"', Buffer.from([0x80, 0x20, 0xe9]), "€ é"],
      ["text/plain;charset=Shift_JIS", Buffer.from([0x93, 0xfa, 0x96, 0x7b]), "日本"],
      ["text/plain; charset=utf-16le", Buffer.from("é\n", "utf16le"), "é\n"],
      ["text/plain", Buffer.from("\ufefféa", "utf16le"), "éa"],
      ["text/plain; charset=iso-8859-1", Buffer.from("\ufeffé"), "é"],
      ["text/html", Buffer.from("caf\xe9", "latin1"), "café"],
      ["text/plain; charset=unheard-of", Buffer.from("é"), "é"],
      ["application/octet-stream", Buffer.from("é"), "é"],
    ] as const) {
      answerWith(200, { "content-type": type }, bytes);
      assert.equal((await resultOf())["body"], text, type);
    }
    answerWith(200, { "content-type": "application/json; charset=latin1" }, Buffer.from('{"é":1}', "latin1"));
    assert.deepEqual((await resultOf())["body"], { é: 1 });
    answerWith(
      200,
      { "content-type": "text/plain; charset=latin1", "content-encoding": "br" },
      brotliCompressSync(Buffer.from("é", "latin1")),
    );
    assert.equal((await resultOf())["body"], "é");
  });

  it("holds JSON that escapes what cannot be stored as the text that it is", async () => {
    for (const text of ['{"a":"\\u0000"}', '["\\ud800"]', '{"\\u0000":1}']) {
      answerWith(200, { "content-type": "application/json" }, text);
      assert.equal((await resultOf())["body"], text);
    }
  });

  it("holds bytes as base64", async () => {
    const image = Buffer.from([0x89, 0x50, 0xff, 0x1a]);
    for (const type of ["image/png", "application/octet-stream", "text/plain; charset=utf-8"]) {
      answerWith(200, { "content-type": type }, image);
      assert.deepEqual((await resultOf())["body"], { base64: image.toString("base64") }, type);
    }
    for (const bytes of [Buffer.from([0xff, 0xfe, 1]), Buffer.from("a\0b")]) {
      answerWith(200, { "content-type": "text/plain" }, bytes);
      assert.deepEqual((await resultOf())["body"], { base64: bytes.toString("base64") });
    }
  });

  it("cuts a long body, and no character in two", async () => {
    answerWith(200, { "content-type": "application/json" }, `"${"é".repeat(40_000)}"`);
    const { body, truncated } = await resultOf();
    assert.deepEqual([truncated, body], [true, `"${"é".repeat(32_767)}`]);
  });

  it("bounds the headers", async () => {
    answerWith(200, Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`x-${i}`, "v"])));
    assert.equal(Object.keys((await resultOf())["headers"] as JsonObject).length, 64);
    answerWith(200, Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`x-${i}`, "v".repeat(2_500)])));
    assert.ok(JSON.stringify((await resultOf())["headers"]).length < 9_000);
  });
});

describe("the verdict", () => {
  const retried = [408, 425, 429, 500, 502, 503, 504, 599];
  const final = [304, 400, 401, 403, 404, 409, 410, 422];

  it("is success for 2xx", async () => {
    for (const status of [200, 201, 202, 204]) {
      answerWith(status);
      assert.equal((await resultOf())["status"], status);
    }
  });

  it("is retryable for the statuses that may pass", async () => {
    for (const status of retried) {
      answerWith(status);
      const { error, retryable, result } = await failureOf();
      assert.deepEqual(
        [error.code, error.details, retryable, (result as JsonObject)["status"]],
        ["http_status", { status }, true, status],
      );
    }
  });

  it("is final for the others", async () => {
    for (const status of final) {
      answerWith(status);
      const { error, retryable } = await failureOf();
      assert.deepEqual([error.code, error.details, retryable], ["http_status", { status }, false]);
    }
  });

  it("follows the author's list of statuses", async () => {
    answerWith(404);
    assert.equal((await resultOf({ expectStatus: [404, 500] }))["status"], 404);
    answerWith(200);
    assert.equal((await failureOf({ expectStatus: [404] })).retryable, false);
    answerWith(503);
    assert.equal((await failureOf({ expectStatus: [404] })).retryable, true);
  });

  it("says what happened, with the body, and without the secrets of the URL", async () => {
    answerWith(404, { "content-type": "application/json" }, '{"why":"gone"}');
    const url = `${base.replace("http://", "http://user:secret@")}/a/b?token=secret`;
    const { error, result } = await failureOf({ url });
    assert.equal(error.message, `POST ${base}/a/b answered 404 Not Found`);
    assert.deepEqual((result as JsonObject)["body"], { why: "gone" });
    assert.doesNotMatch(JSON.stringify([error, logged]), /secret/);
    assert.equal(received[0]!.url, "/a/b?token=secret");
  });

  it("obeys Retry-After in both forms", async () => {
    answerWith(429, { "retry-after": "7" });
    assert.equal((await failureOf()).retryAfterMs, 7_000);
    answerWith(503, { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() });
    const { retryAfterMs } = await failureOf();
    assert.ok(retryAfterMs! > 3_590_000 && retryAfterMs! <= 3_600_000, String(retryAfterMs));
    answerWith(503, { "retry-after": "later" });
    assert.equal((await failureOf()).retryAfterMs, undefined);
    answerWith(400, { "retry-after": "7" });
    assert.equal((await failureOf()).retryAfterMs, undefined);
  });

  it("returns a redirect that is not to be followed as the final status it is", async () => {
    answerWith(302, { location: "/elsewhere" });
    const { error, retryable } = await failureOf({ followRedirects: false });
    assert.deepEqual([error.details, retryable, received.length], [{ status: 302 }, false, 1]);
  });

  it("fails where a redirect would have lost the body, and says so", async () => {
    for (const status of [301, 302, 303]) {
      received = [];
      answerWith(status, { location: "/elsewhere" }, "moved");
      const { error, retryable, result } = await failureOf({ method: "PUT", body: { event: 1 } });
      assert.deepEqual([error.code, error.details, retryable], ["http_status", { status }, false]);
      assert.match(error.message, /: a redirect to a GET without the body, so that nothing would have been/);
      assert.match(error.message, /Give the URL that takes the PUT, or "followRedirects": "as-get"/);
      assert.deepEqual([(result as JsonObject)["body"], received.length], ["moved", 1]);
    }
    answerWith(302);
    assert.doesNotMatch((await failureOf({ method: "PUT" })).error.message, /redirect/);
    answerWith(302, { location: "/elsewhere" });
    assert.equal((await resultOf({ expectStatus: [302] }))["status"], 302);
  });

  it("is what the redirect led to, as a GET, where the author says `as-get`", async () => {
    answer = (request, response) =>
      request.url === "/end" ? response.end("end") : response.writeHead(303, { location: "/end" }).end();
    assert.equal((await resultOf({ body: "x", followRedirects: "as-get" }))["body"], "end");
    assert.deepEqual(
      received.map(({ method, body }) => [method, body]),
      [
        ["POST", "x"],
        ["GET", ""],
      ],
    );
  });

  it("is retryable where there was no answer", async () => {
    const closed = http.createServer();
    await once(closed.listen(0, "127.0.0.1"), "listening");
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const refused = await failureOf({ url: `http://127.0.0.1:${port}/x` });
    assert.deepEqual([refused.error.code, refused.retryable], ["connect_failed", true]);
    answer = (request) => request.socket.destroy();
    const reset = await failureOf();
    assert.deepEqual([reset.error.code, reset.retryable], ["connection_reset", true]);
  });

  it("is final where the address is refused", async () => {
    const { error, retryable } = await failureOf({ url: "http://169.254.169.254/latest/meta-data" });
    assert.deepEqual([error.code, retryable], ["egress_blocked", false]);
  });

  it("comes soon after an abort", async () => {
    answer = () => {};
    const pipeline = new AbortController();
    const arrived = once(server, "request");
    const outcome = attempt({}, {}, pipeline.signal);
    await arrived;
    pipeline.abort({ kind: "cancelled" });
    assert.equal((await outcome).kind, "failed");
  });
});

describe("the log", () => {
  it("has one line per attempt", async () => {
    answerWith(200, {}, "hello");
    await attempt({});
    answerWith(500);
    await attempt({});
    assert.deepEqual(
      logged.map(({ level }) => level),
      ["info", "warn"],
    );
    const [first] = logged;
    assert.match(first!.message, /^POST http:\/\/127\.0\.0\.1:\d+\/hook → 200 in \d+ ms$/);
    assert.deepEqual(
      [first!.fields!["status"], first!.fields!["bytes"], typeof first!.fields!["durationMs"]],
      [200, 5, "number"],
    );
  });

  it("tells a network failure", async () => {
    await attempt({ url: "http://[::1]:1/x" });
    const [line] = logged;
    assert.deepEqual([logged.length, line!.level, line!.fields!["code"]], [1, "warn", "egress_blocked"]);
    assert.match(line!.message, /^POST http:\/\/\[::1\]:1\/x failed: /);
  });
});
