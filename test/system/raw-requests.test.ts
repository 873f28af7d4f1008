/** Requests that two parties could read in two ways, as bytes on the socket of each role. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { sendRaw } from "../support/raw-http.ts";
import { type Cluster, portOf, startCluster } from "./cluster.ts";

const CHUNKED = "Transfer-Encoding: chunked";
const BAD: Record<string, string> = {
  "two Host fields": "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "the same Host twice": "GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
  "two Host fields in HTTP/1.0": "GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
  "no Host": "GET /healthz HTTP/1.1\r\n\r\n",
  "two lengths": "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "the same length twice":
    "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
  "two lengths in one field": "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
  "a length that is none": "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
  "a length and chunks": `POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
  "chunks and a length": `POST /healthz HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\nContent-Length: 1\r\n\r\n0\r\n\r\n`,
  "chunks twice": `POST /healthz HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
  "chunks that are not last": "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
  "a coding that is none": "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
  "a space before a colon": "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
  "a folded line": "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n",
  "a bare CR in a field": "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n",
  "a NUL in a field": "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: 1\0\r\n\r\n",
};

describe("raw requests", () => {
  let cluster: Cluster;
  const ports: Record<string, number> = {};

  before(async () => {
    cluster = await startCluster({ schedulers: 1, workers: 1 });
    ports["the API"] = portOf(cluster.apiProcess);
    ports["a worker"] = portOf(cluster.workers[0]!);
    ports["a scheduler"] = portOf(cluster.schedulers[0]!);
    ports["an autoscaler"] = portOf(await cluster.startAutoscaler());
  });
  after(() => cluster?.stop());

  for (const server of ["the API", "a worker", "a scheduler", "an autoscaler"]) {
    for (const [name, request] of Object.entries(BAD)) {
      it(`${name}: ${server} answers 400 and closes`, async () => {
        const { status, text } = await sendRaw(ports[server]!, request);
        assert.equal(status, 400, text);
        assert.match(text, /\r\nconnection: close\r\n/i);
      });
    }

    it(`HTTP/1.0 without a Host is answered by ${server}, as is an ordinary request`, async () => {
      for (const request of [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nHost:\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "GET http://a/healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        `GET /healthz HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
      ]) {
        const { status, text } = await sendRaw(ports[server]!, request);
        assert.equal(status, 200, text);
        assert.match(text, /\{"status":"ok"\}/);
      }
    });
  }

  it("HEAD /healthz is answered without a body", async () => {
    for (const port of Object.values(ports)) {
      const { status, text } = await sendRaw(port, "HEAD /healthz HTTP/1.0\r\n\r\n");
      assert.equal(status, 200, text);
      assert.ok(text.endsWith("\r\n\r\n"), text);
    }
  });

  it("more than one Host is told in a problem document", async () => {
    const { text } = await sendRaw(ports["the API"]!, BAD["two Host fields"]!);
    assert.match(text, /content-type: application\/problem\+json/);
    assert.match(text, /"code":"bad_request"/);
    assert.match(text, /one Host field/);
  });
});
