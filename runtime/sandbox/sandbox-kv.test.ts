/** `ctx.kv` and `ctx.signal` from inside the isolate. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createKeyValueAnswerer } from "../runners/kv-answerer.ts";
import type { KeyValueAnswerer } from "./invocation.ts";
import { errorOf, resultOf, startSandboxFor } from "./sandbox-fixture.ts";

/** The answerer over a store in memory. */
function openMemory(): KeyValueAnswerer {
  const entries = new Map<string, { key: string; value: string; version: string }>();
  let version = 0;
  return createKeyValueAnswerer(
    {
      get: async (key) => entries.get(key),
      async set({ key, value, ifVersion }) {
        const known = entries.get(key);
        if (ifVersion !== undefined && (known?.version ?? null) !== ifVersion) return "conflict";
        if (entries.size >= 3 && !known) return "quota";
        entries.set(key, { key, value, version: String(++version) });
        return { version: String(version) };
      },
      async delete(key, ifVersion) {
        const known = entries.get(key);
        return known !== undefined && (ifVersion ?? known.version) === known.version && entries.delete(key);
      },
      async list({ prefix, limit }) {
        const found = [...entries.values()].filter(({ key }) => key.startsWith(prefix)).slice(0, limit);
        return { entries: found, after: null };
      },
    },
    (error) => assert.fail(error as Error),
  );
}

test("env.KV is the same store as other platforms have it: kinds of values, metadata, expiry, lists", async (t) => {
  const { call } = startSandboxFor(t);
  const source = `export default { async scheduled(_event: unknown, env: any, { kv }: any) {
    await env.KV.put("text", "one", { metadata: { a: 1 }, expirationTtl: 60 });
    await env.KV.put("bytes", new Uint8Array([255, 1]));
    await kv.set("gone", { $kv: 1, text: "past", expiration: 1 });
    const listed = (await env.KV.list()).keys.map(({ name, metadata, expiration }: any) => [name, metadata ?? null, typeof expiration]);
    const gone = [await env.KV.get("gone"), (await kv.get("gone")) ?? "deleted"];
    await kv.set("json", { b: [2] });
    const refused: string[] = [];
    for (const work of [() => env.KV.put("x", 1), () => env.KV.put("x", "1", { expiration: 1 }), () => env.KV.get("text", "xml")]) await work().catch((error: any) => refused.push(error.name));
    const { value, metadata } = await env.KV.getWithMetadata("text");
    const answers = [value, metadata, await env.KV.get("json", "json"), [...new Uint8Array(await env.KV.get("bytes", { type: "arrayBuffer" }))], await new Response(await env.KV.get("text", "stream")).text(), await env.KV.get("none")];
    const several = await env.KV.get(["json", "none"], "json");
    answers.push([several instanceof Map, [...several], (await env.KV.getWithMetadata(["text"])).get("text").metadata]);
    await env.KV.get(Array(101).fill("json")).catch((error: any) => answers.push(error.message));
    await env.KV.delete("text");
    return [listed, gone, refused, answers, await env.KV.get("text"), Object.keys(env), (process.env as any).KV === env.KV, Object.keys(process.env)];
  } };`;
  const errors = ["TypeError", "TypeError", "TypeError"];
  assert.deepEqual(resultOf(await call(source, { kv: openMemory(), env: { A: "1" } })), [
    [
      ["text", { a: 1 }, "number"],
      ["bytes", null, "undefined"],
    ],
    [null, "deleted"],
    errors,
    [
      ...["one", { a: 1 }, { b: [2] }, [255, 1], "one", null],
      [
        true,
        [
          ["json", { b: [2] }],
          ["none", null],
        ],
        { a: 1 },
      ],
      "KV gets at most 100 keys at once",
    ],
    null,
    ["A", "KV"],
    true,
    ["A"],
  ]);
  const plain = "export default (_: unknown, { env }: any) => [typeof env.KV.get, Object.keys(env)];";
  assert.deepEqual(resultOf(await call(plain, { env: { A: "1" } })), ["function", ["A"]]);
  const own = "export default { scheduled: (_e: unknown, env: any) => env.KV };";
  assert.equal(resultOf(await call(own, { env: { KV: "a setting" } })), "a setting");
});

describe("ctx.kv", () => {
  test("remembers values from run to run, with compare-and-set", async (t) => {
    const { call } = startSandboxFor(t);
    const kv = openMemory();
    const source = `export default async (input: unknown, { kv }: any) => {
      const before = await kv.getEntry("state");
      const first = await kv.set("state", { runs: (before?.value.runs ?? 0) + 1 }, { ifVersion: before?.version ?? null });
      const stale = await kv.set("state", "lost", { ifVersion: before?.version ?? null });
      await kv.set("list", [1, "é", null]);
      const { entries, after } = await kv.list({ prefix: "l" });
      return [before?.value ?? null, first.ok, stale, await kv.get("state"), await kv.get("nothing") ?? "none",
        entries[0].value, after, await kv.delete("list"), await kv.delete("list")];
    };`;
    const options = { revisionId: "kv", kv };
    const rest = ["none", [1, "é", null], null, true, false];
    assert.deepEqual(resultOf(await call(source, options)), [
      null,
      true,
      { ok: false },
      { runs: 1 },
      ...rest,
    ]);
    assert.deepEqual(resultOf(await call(source, options)), [
      { runs: 1 },
      true,
      { ok: false },
      { runs: 2 },
      ...rest,
    ]);
  });

  test("tells failures apart by code, and is not there without a store", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `export default async (keys: string[], { kv }: any) => {
      const codes: string[] = [];
      for (const [key, value] of [["a", 1], ["b", 1], ["c", 1], ["d", 1], ["", 1], ["a", "x".repeat(70_000)]] as const)
        await kv.set(key, value).then(() => codes.push("ok"), (error: any) => codes.push(error.name + " " + error.code));
      await kv.set("a", undefined).catch((error: any) => codes.push(error.name));
      return codes;
    };`;
    assert.deepEqual(resultOf(await call(source, { kv: openMemory() })), [
      ...["ok", "ok", "ok", "KvError kv_quota_exceeded", "KvError kv_invalid", "KvError kv_value_too_large"],
      "TypeError",
    ]);
    const without = await call(`export default (_: unknown, { kv }: any) => kv.get("a");`);
    assert.match(errorOf(without).message, /no key-value store/);
  });

  test("asks sixteen at once and the others after them, all answered", async (t) => {
    const { call } = startSandboxFor(t);
    let most = 0;
    let underWay = 0;
    const memory = openMemory();
    const sixteen = Promise.withResolvers<void>();
    const kv: KeyValueAnswerer = async (ask) => {
      most = Math.max(most, ++underWay);
      if (underWay === 16) sixteen.resolve();
      await sixteen.promise;
      await new Promise(setImmediate);
      underWay--;
      return await memory(ask);
    };
    const source = `export default async (_: unknown, { kv }: any) =>
      (await Promise.all(Array.from({ length: 100 }, (_, n) => kv.get("k" + n)))).length;`;
    assert.equal(resultOf(await call(source, { kv })), 100);
    assert.equal(most, 16);
  });

  test("is the run's: after its end nothing is asked by it, and what was asked is asked no more", async (t) => {
    const { call } = startSandboxFor(t);
    let asks = 0;
    const kv: KeyValueAnswerer = async () => {
      asks++;
      return await new Promise<string>(() => {});
    };
    const source = `let kept: any;
      export default async (step: string, ctx: any) => {
        if (step === "later") return await kept.get("a").catch((error: any) => error.code);
        kept = ctx.kv;
        for (let n = 0; step === "ask" && n < 20; n++) void ctx.kv.get("a");
        return "left";
      };`;
    const options = { revisionId: "left", kv };
    assert.equal(resultOf(await call(source, { ...options, input: "keep" })), "left");
    assert.equal(resultOf(await call(source, { ...options, input: "later" })), "run_over");
    assert.equal(asks, 0);
    assert.equal(resultOf(await call(source, { ...options, input: "ask" })), "left");
    assert.ok(asks <= 16);
  });
});

describe("ctx.signal", () => {
  const tidy = `export default (_: unknown, ctx: any) => new Promise((resolve) => {
    ctx.signal.addEventListener("abort", () => { ctx.log.info("tidied"); resolve(ctx.signal.reason.name); });
    ctx.log.info("waiting");
  });`;

  test("aborts when the run is cancelled, and what it then returns counts", async (t) => {
    const { begin } = startSandboxFor(t);
    const stop = new AbortController();
    const { outcome, logged } = await begin(tidy, { signal: stop.signal });
    await logged("waiting");
    stop.abort();
    await logged("tidied");
    assert.equal(resultOf(await outcome), "AbortError");
  });

  test("ends one that goes on, soon", async (t) => {
    const { begin } = startSandboxFor(t);
    const stop = new AbortController();
    const source = `export default (_: unknown, ctx: any) => { void ctx.signal; ctx.log.info("waiting"); return new Promise(() => {}); };`;
    const { outcome, logged } = await begin(source, { signal: stop.signal });
    await logged("waiting");
    stop.abort();
    assert.deepEqual(await outcome, { kind: "cancelled" });
  });

  test("aborts shortly before the run's time is over, and so do the signals that follow it", async (t) => {
    const { call } = startSandboxFor(t);
    const source = `export default async (_: unknown, ctx: any) => {
      await new Promise((resolve) => AbortSignal.any([ctx.signal]).addEventListener("abort", resolve));
      return [ctx.signal.reason.name, ctx.signal === ctx.signal, ctx.trigger];
    };`;
    // A tenth of its time is left for it then. The machine may stand still for that long, though hardly each time.
    let outcome = await call(source, { wallMs: 4_500 });
    for (let again = 0; again < 3 && outcome.kind !== "succeeded"; again++)
      outcome = await call(source, { wallMs: 4_500 });
    assert.deepEqual(resultOf(outcome), ["TimeoutError", true, "invoke"]);
  });
});
