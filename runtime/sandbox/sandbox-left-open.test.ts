/** What a run leaves open when it ends, and what the next run of its isolate finds of it (ADR 0046). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { parseNetworks } from "../../core/egress/address-policy.ts";
import { createEgress } from "../../core/egress/egress.ts";
import type { KeyValueAnswerer } from "./invocation.ts";
import { type CallOptions, errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const server = createServer((_request, response) => response.end("answered")).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const egress = createEgress({ allow: parseNetworks("127.0.0.0/8") });
const { pool, call } = startSandbox({}, { egress });
after(async () => {
  await pool.close();
  await egress.close();
  server.closeAllConnections();
  server.close();
});

/** The results of calls one after another, the first with the input 1. */
async function resultsOf(source: string, calls: number, options: CallOptions = {}): Promise<unknown[]> {
  const results: unknown[] = [];
  for (let input = 1; input <= calls; input++) {
    results.push(resultOf(await call(source, { wallMs: 60_000, ...options, input, revisionId: source })));
  }
  return results;
}

const nothingKept: KeyValueAnswerer = async () => JSON.stringify({ ok: null });

describe("a promise in a module variable", () => {
  test("that waits for a fetch of the module is no later run's trouble", async () => {
    const source = `const kept = fetch(${JSON.stringify(url)}).then((r) => r.text());
      export default async (no: number) => no === 1 ? "early" : await kept;`;
    assert.deepEqual(await resultsOf(source, 3), ["early", "answered", "answered"]);
  });

  test("nor that waits for a fetch of a run, or for the body of one", async () => {
    const fetched = `let kept: any; const get = () => kept ??= fetch(${JSON.stringify(url)}).then((r) => r.text());
      export default async (no: number) => { const got = get(); return no === 1 ? "early" : await got; };`;
    assert.deepEqual(await resultsOf(fetched, 3), ["early", "answered", "answered"]);
  });

  test("nor that waits for the store or for a key", async () => {
    const stored = `let kept: any;
      export default async (no: number, { kv }: any) => { kept ??= kv.get("a"); return no === 1 ? "early" : (await kept) ?? "none"; };`;
    assert.deepEqual(await resultsOf(stored, 3, { kv: nothingKept }), ["early", "none", "none"]);
    const digest = `let kept: any; const get = () => kept ??= crypto.subtle.digest("SHA-256", new Uint8Array(2_000_000));
      export default async (no: number) => { const got = get(); return no === 1 ? "early" : (await got).byteLength; };`;
    assert.deepEqual(await resultsOf(digest, 3), ["early", 32, 32]);
  });

  test("that waits for a timer of the module has its value in a later run", async () => {
    const source = `let loads = 0; loads++; const kept = (async () => { await scheduler.wait(30); return 5; })();
      export default async (no: number) => no === 1 ? "early" : [await kept, loads];`;
    assert.deepEqual(await resultsOf(source, 3), ["early", [5, 1], [5, 1]]);
  });
});

test("an isolate stays warm where what was asked for is answered, or nobody waits for it", async () => {
  const source = `let runs = 0; export default async () => { const r = await fetch(${JSON.stringify(url)}); setTimeout(() => {}, 60_000); return [r.status, ++runs]; };`;
  assert.deepEqual(await resultsOf(source, 3), [
    [200, 1],
    [200, 2],
    [200, 3],
  ]);
});

describe("a timer of the module", () => {
  test("goes on in each run, and rests between them", async () => {
    const source = `let ticks = 0; let heard = () => {}; setInterval(() => { ticks++; heard(); }, 1);
      export default () => new Promise<boolean>((resolve) => { const before = ticks; heard = () => resolve(ticks > before); });`;
    assert.deepEqual(await resultsOf(source, 3), [true, true, true]);
  });

  test("may be cleared by a later run, and fails the run that it throws in", async () => {
    const source = `let ticks = 0; const timer = setInterval(() => { ticks++; }, 1);
      export default async (no: number) => {
        if (no === 1) return "loaded";
        clearInterval(timer);
        const before = ticks;
        await scheduler.wait(20);
        return ticks - before;
      };`;
    assert.deepEqual(await resultsOf(source, 3), ["loaded", 0, 0]);
    const throws = `setTimeout(() => { throw new Error("late"); }, 1); export default (no: number) => no === 1 ? no : new Promise(() => {});`;
    assert.deepEqual(await resultsOf(throws, 1), [1]);
    const failed = errorOf(await call(throws, { input: 2, revisionId: throws, wallMs: 60_000 }));
    assert.equal(failed.message, "late");
  });

  test("that throws while the module waits at its top level has failed the load: the next run loads it anew", async () => {
    const source = `let go = () => {}; const gone = new Promise<void>((resolve) => { go = resolve; });
      setTimeout(() => { go(); throw new Error("too early"); }, 1);
      await gone;
      await scheduler.wait(1);
      export default () => 1;`;
    for (let calls = 0; calls < 2; calls++) {
      const failed = errorOf(await call(source, { revisionId: source, wallMs: 60_000 }));
      assert.deepEqual([failed.code, failed.message], ["function_error", "too early"]);
    }
  });

  test("one of a run ends with it", async () => {
    const source = `let fired = 0; export default async (no: number) => {
      if (no === 1) setTimeout(() => { fired++; }, 1);
      else await scheduler.wait(20);
      return fired;
    };`;
    assert.deepEqual(await resultsOf(source, 2), [0, 0]);
  });
});
