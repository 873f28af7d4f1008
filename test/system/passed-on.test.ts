/** What functions pass on of answers that they fetched, and what they say in their own: through the real roles, as bytes. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, describe, test } from "node:test";
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { createHttpSink } from "../support/http-sink.ts";
import { startCluster, waitForDirectCalls } from "./cluster.ts";

const TEXT = "what the upstream says, ".repeat(500);
const ENCODED: Record<string, Buffer> = {
  gzip: gzipSync(TEXT),
  deflate: deflateSync(TEXT),
  br: brotliCompressSync(TEXT),
  zstd: zstdCompressSync(TEXT),
  "gzip, br": brotliCompressSync(gzipSync(TEXT)),
};
/** By path: `/gzip` is encoded so, whatever was asked for. */
const sink = await createHttpSink(({ url }) => {
  const coding = decodeURIComponent(url.slice(1));
  if (coding === "304") return { status: 304, headers: { "content-encoding": "gzip", etag: '"1"' } };
  if (coding === "moved") return { status: 302, headers: { location: "/gzip" } };
  const body = ENCODED[coding]!;
  const length = { "content-length": String(body.length) };
  return { body, headers: { "content-encoding": coding, "content-type": "text/plain", ...length } };
});
after(() => sink.close());
const cluster = await startCluster({ schedulers: 1, workers: 1 });
after(() => cluster.stop());
await waitForDirectCalls(cluster.api);

async function deploy(name: string, handler: string): Promise<void> {
  const source = `export default { fetch: ${handler} };`;
  await cluster.api.call("PUT", `/v1/functions/${name}`, { source, public: true });
}

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  /** Names and values in turn, as Latin-1. */
  rawHeaders: string[];
  body: Buffer;
}

/** As the bytes are: `fetch` would undo an encoding. */
function call(path: string, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(`${cluster.api.url}/fn/default${path}`, { method }, async (response) => {
      const { statusCode = 0, headers, rawHeaders } = response;
      resolve({ status: statusCode, headers, rawHeaders, body: Buffer.concat(await response.toArray()) });
    })
      .on("error", reject)
      .end();
  });
}

const upstream = `const upstream = (request) => fetch("${sink.url}" + new URL(request.url).pathname, { method: request.method });`;
const PROXIES: Record<string, string> = {
  "the response itself": "(request) => upstream(request)",
  "new Response(r.body, r)":
    "async (request) => { const r = await upstream(request); return new Response(r.body, r); }",
  "the body with its headers":
    "async (request) => { const r = await upstream(request); return new Response(r.body, { headers: r.headers }); }",
  "the text with its headers":
    "async (request) => { const r = await upstream(request); return new Response(await r.text(), { headers: new Headers(r.headers) }); }",
  "a copy of its pairs":
    "async (request) => { const r = await upstream(request); return new Response(await r.arrayBuffer(), { headers: [...r.headers] }); }",
  "a clone": "async (request) => (await upstream(request)).clone()",
};

describe("an encoded answer that a function passes on", () => {
  for (const [name, handler] of Object.entries(PROXIES)) {
    test(`${name}: is decoded, and does not say that it is encoded`, async () => {
      await cluster.api.call("PUT", "/v1/functions/proxy", {
        source: `${upstream} export default { fetch: ${handler} };`,
        public: true,
      });
      for (const coding of Object.keys(ENCODED)) {
        const answer = await call(`/proxy/${coding}`);
        assert.equal(answer.body.toString(), TEXT, coding);
        assert.equal(answer.headers["content-encoding"], undefined, coding);
        assert.match(String(answer.headers["content-type"]), /^text\/plain/);
        const length = answer.headers["content-length"];
        assert.ok(length === undefined || Number(length) === TEXT.length, `${coding}: ${length} bytes`);
      }
    });
  }

  test("to a HEAD, of a 304 and behind a redirect, too", async () => {
    await cluster.api.call("PUT", "/v1/functions/proxy", {
      source: `${upstream} export default { fetch: (request) => upstream(request) };`,
      public: true,
    });
    for (const answer of [await call("/proxy/gzip", "HEAD"), await call("/proxy/304")]) {
      assert.equal(answer.headers["content-encoding"], undefined);
      assert.notEqual(answer.headers["content-length"], String(ENCODED["gzip"]!.length));
      assert.equal(answer.body.length, 0);
    }
    const moved = await call("/proxy/moved");
    assert.equal(moved.body.toString(), TEXT);
    assert.equal(moved.headers["content-encoding"], undefined);
  });
});

test("what a function encodes itself goes out as it is, and says so", async () => {
  await deploy(
    "own",
    `() => new Response(
      new Blob([${JSON.stringify(TEXT)}]).stream().pipeThrough(new CompressionStream("gzip")),
      { headers: { "content-encoding": "gzip" } },
    )`,
  );
  const answer = await call("/own");
  assert.equal(answer.headers["content-encoding"], "gzip");
  assert.equal(gunzipSync(answer.body).toString(), TEXT);
});

describe("a header value beyond ASCII", () => {
  const NAME = "café ÿ\u0080";
  for (const [name, body] of Object.entries({
    "a short text": '"h\u00e9llo"',
    "an empty body": '""',
    "no body": "null",
    bytes: "new Uint8Array([1, 2])",
    "a stream": 'new Blob(["a"]).stream()',
  })) {
    test(`goes out as Latin-1 beside ${name}`, async () => {
      const headers = `{ "x-name": ${JSON.stringify(NAME)}, "set-cookie": "a=é" }`;
      await deploy("latin", `() => new Response(${body}, { headers: ${headers} })`);
      const { rawHeaders, body: bytes } = await call("/latin");
      const fieldOf = (name: string) => rawHeaders[rawHeaders.indexOf(name) + 1];
      assert.equal(fieldOf("x-name"), NAME);
      assert.equal(fieldOf("set-cookie"), "a=é");
      if (name === "a short text") assert.equal(bytes.toString(), "héllo");
    });
  }
});
