import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFnUrl, toRequestHead } from "./request.ts";
import { toFnResponse } from "./response.ts";

const incoming = undefined;
const parse = (path: string) => parseFnUrl(new URL(path, "http://host"));

test("a function's URL names namespace, function, tag and the rest", () => {
  const plain = { namespace: "default", name: "f", tag: undefined };
  assert.deepEqual(parse("/fn/default/f"), { ...plain, rest: "/" });
  assert.deepEqual(parse("/fn/default/f?q=1"), { ...plain, rest: "/?q=1" });
  assert.deepEqual(parse("/fn/default/f/a/%2F?q=1"), { ...plain, rest: "/a/%2F?q=1" });
  assert.deepEqual(parse("/fn/default/f@next/a"), { ...plain, tag: "next", rest: "/a" });
  for (const path of [
    "/fn",
    "/fn/default",
    "/fn/default/",
    "/fn/Default/f",
    "/fn/default/f@/a",
    "/fn/default/f@x@y",
  ])
    assert.equal(parse(path), undefined, path);
});

test("a request is passed on without what belongs to its connection, and without the platform's keys", () => {
  const request = new Request("http://host/fn/default/f", {
    method: "POST",
    body: "x",
    headers: {
      ...{ "x-a": "1", connection: "x-private", "x-private": "1", te: "trailers", "bellhop-key": "bh_1" },
      ...{ authorization: "Basic eDp5", "content-length": "1", cookie: "c=1" },
    },
  });
  const names = (shows: boolean) =>
    toRequestHead({ request, incoming }, "http://host/", null, shows)
      .headers.map(([name]) => name)
      .sort();
  assert.deepEqual(names(true), ["authorization", "content-length", "content-type", "cookie", "x-a"]);
  assert.ok(!names(false).includes("authorization"));
  const keyed = new Request("http://host/", { headers: { authorization: "Bearer bh_secret" } });
  assert.deepEqual(toRequestHead({ request: keyed, incoming }, "http://host/", null, true).headers, []);
});

test("who calls is told by the platform, whatever the caller says", () => {
  const headers = {
    "x-forwarded-for": "1.1.1.1",
    "X-Real-IP": "2.2.2.2",
    connection: "x-real-ip",
    "x-a": "1",
  };
  const told = (client: string | null) =>
    toRequestHead(
      { request: new Request("http://host/", { headers }), incoming },
      "http://host/",
      client,
      true,
    ).headers;
  assert.deepEqual(told("203.0.113.7"), [
    ["x-a", "1"],
    ["x-forwarded-for", "203.0.113.7"],
    ["x-real-ip", "203.0.113.7"],
  ]);
  assert.deepEqual(told(null), [["x-a", "1"]]);
});

test("a body is announced by its length, and GET and HEAD have none", () => {
  const head = (method: string, headers: Record<string, string>) =>
    toRequestHead(
      { request: new Request("http://host/", { method, headers }), incoming },
      "http://host/",
      null,
      true,
    ).hasBody;
  assert.equal(head("POST", { "content-length": "3" }), true);
  assert.equal(head("POST", { "transfer-encoding": "chunked" }), true);
  assert.equal(head("POST", { "content-length": "0" }), false);
  assert.equal(head("POST", {}), false);
  assert.equal(head("GET", { "content-length": "3" }), false);
});

test("a response keeps its cookies apart, says its run, and leaves lengths to the server", () => {
  const headers: [string, string][] = [
    ["Set-Cookie", "a=1"],
    ["Set-Cookie", "b=2"],
    ["Content-Length", "999"],
    ["Connection", "x"],
    ["Bellhop-Run-Id", "forged"],
    ["X-A", "1"],
  ];
  const response = toFnResponse({ status: 200, headers }, "hi", "run-1");
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(response.headers.get("bellhop-run-id"), "run-1");
  assert.equal(response.headers.get("content-length"), null);
  assert.equal(response.headers.get("connection"), null);
  assert.equal(response.headers.get("x-a"), "1");
  assert.equal(toFnResponse({ status: 204, headers: [] }, "", "run-1").body, null);
});
