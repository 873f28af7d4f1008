import assert from "node:assert/strict";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { test } from "node:test";
import { Hono } from "hono";
import type { ApiEnv } from "../environment.ts";
import { headerOf } from "./header-of.ts";

const app = new Hono<ApiEnv>();
app.get("/", (context) => context.json(headerOf(context, "prefer") ?? null));

const askWith = async (prefer: [string, string][], bindings?: ApiEnv["Bindings"]) =>
  await (await app.request("/", { headers: prefer }, bindings)).json();
const bound = (headers: IncomingHttpHeaders) => ({ incoming: { headers } as IncomingMessage });
const ONCE: [string, string][] = [["prefer", "return=minimal"]];

test("a header is what `Headers` says that it is, with a connection and without one", async () => {
  assert.equal(await askWith([]), null);
  assert.equal(await askWith(ONCE), "return=minimal");
  assert.equal(await askWith([], bound({})), null);
  assert.equal(await askWith(ONCE, bound({ prefer: "return=minimal" })), "return=minimal");
  const twice: [string, string][] = [...ONCE, ["prefer", "wait=1"]];
  assert.equal(await askWith(twice, bound({ prefer: "return=minimal" })), "return=minimal, wait=1");
});

test("what a request that was made of another one has is its own", async () => {
  assert.equal(await askWith(ONCE, { ...bound({}), isInner: true }), "return=minimal");
  assert.equal(await askWith([], { ...bound({ prefer: "return=minimal" }), isInner: true }), null);
});
