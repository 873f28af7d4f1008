import assert from "node:assert/strict";
import { test } from "node:test";
import { findClientAddress, parseProxies } from "./proxies.ts";

const PROXIES = parseProxies("10.0.0.0/8, 192.0.2.1, fd00::/8");

test("who is no trusted proxy is the client, whatever he says", () => {
  assert.equal(findClientAddress("203.0.113.9", "198.51.100.1", PROXIES), "203.0.113.9");
  assert.equal(findClientAddress("::ffff:203.0.113.9", undefined, PROXIES), "203.0.113.9");
  assert.equal(findClientAddress("10.0.0.1", "198.51.100.1", parseProxies("")), "10.0.0.1");
});

test("behind trusted proxies it is the last who is none, and nothing that stands before him", () => {
  const found: [string, string | undefined, string][] = [
    ["10.1.2.3", "198.51.100.1", "198.51.100.1"],
    ["::ffff:10.1.2.3", "198.51.100.1, 10.9.9.9,192.0.2.1", "198.51.100.1"],
    ["10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"],
    ["fd00::1", "2001:db8::7", "2001:db8::7"],
    ["10.1.2.3", "10.4.5.6", "10.4.5.6"],
    ["10.1.2.3", undefined, "10.1.2.3"],
    ["10.1.2.3", "unknown", "10.1.2.3"],
    ["10.1.2.3", "198.51.100.1, _hidden", "10.1.2.3"],
  ];
  for (const [peer, forwardedFor, client] of found)
    assert.equal(findClientAddress(peer, forwardedFor, PROXIES), client, `${peer} ${forwardedFor}`);
});

test("what is no network is refused by its text", () => {
  for (const text of ["10.0.0.0/33", "10.0.0", "::/129", "10.0.0.0/8/8", "localhost", "10.0.0.0/x"])
    assert.throws(
      () => parseProxies(text),
      (error: Error) => error.message.includes(JSON.stringify(text)),
    );
});
