import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, describe, test } from "node:test";
import { DEFAULT_FUNCTION_LIMITS } from "../../core/domain/function-limits.ts";
import { errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, begin, call } = startSandbox();
after(() => pool.close());

describe("a function", () => {
  test("gets its input and its context, and answers with its result", async () => {
    const source = `export default (input: any, ctx: any) => ({
      input, run: ctx.runId, attempt: ctx.attempt, env: ctx.env, frozen: Object.isFrozen(ctx.env),
      dates: [ctx.scheduledAt instanceof Date, ctx.scheduledAt, ctx.deadlineAt instanceof Date],
    });`;
    const input = { text: "grüße \u2028 \"' 🛎", list: [1, -0.5, null, true], __proto__: null };
    assert.deepEqual(resultOf(await call(source, { input, env: { TOKEN: "t" } })), {
      input: { text: input.text, list: input.list },
      run: "run-1",
      attempt: 1,
      env: { TOKEN: "t" },
      frozen: true,
      dates: [true, "2026-01-02T03:04:05.678Z", true],
    });
  });

  test("is told when its time is over, which is its wallMs from its begin", async () => {
    const source = "export default (_: unknown, ctx: any) => ctx.deadlineAt.getTime() - Date.now();";
    const leftMs = resultOf(await call(source, { wallMs: 60_000 })) as number;
    assert.ok(leftMs > 0 && leftMs <= 60_000, `${leftMs} ms`);
  });

  test("that returns nothing answers null", async () => {
    assert.equal(resultOf(await call("export default async () => {}")), null);
  });

  test("keeps its isolate for the next call, and shares it with none that runs beside", async () => {
    const source = `let calls = 0;
      export default async (waitMs: number) => {
        console.log("here");
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        return ++calls;
      };`;
    const revisionId = "counting";
    assert.equal(resultOf(await call(source, { revisionId, input: 0 })), 1);
    const slow = await begin(source, { revisionId, input: 1_500 });
    await slow.logged("here");
    assert.equal(resultOf(await call(source, { revisionId, input: 0 })), 1);
    assert.equal(resultOf(await slow.outcome), 2);
  });

  test("is the sample, with its log line", async () => {
    const sample = await readFile(new URL("../../functions/samples/greet.ts", import.meta.url), "utf8");
    const { outcome, lines } = await begin(sample, { input: { name: "Ada" } });
    assert.deepEqual(resultOf(await outcome), { hello: "Ada" });
    assert.deepEqual(
      lines.map(({ level, message, fields }) => ({ level, message, fields })),
      [{ level: "info", message: "greeting", fields: { name: "Ada" } }],
    );
  });

  test("of the module shape is called by its schedule", async () => {
    const source = `export default { mark: "this", scheduled(event: any, env: any, ctx: any) {
      ctx.waitUntil(new Promise<void>((done) => setTimeout(() => { console.log("later"); done(); }, 5)));
      return [this.mark, event.type, event.scheduledTime, event.input, env.A];
    } };`;
    const { outcome, lines } = await begin(source, { input: 7, env: { A: "a" } });
    const scheduledTime = Date.parse("2026-01-02T03:04:05.678Z");
    assert.deepEqual(resultOf(await outcome), ["this", "scheduled", scheduledTime, 7, "a"]);
    assert.equal(lines[0]!.message, "later");
  });

  test("of the module shape hears which cron expression it is due by, and of none as an empty text", async () => {
    const source = "export default { scheduled: (event: any) => event.cron };";
    assert.equal(resultOf(await call(source, { cron: "0 9 * * MON" })), "0 9 * * MON");
    assert.equal(resultOf(await call(source)), "");
  });

  for (const [name, source] of [
    ["fetch alone", "export default { fetch() {} };"],
    ["a number", "export default 5;"],
  ] as const) {
    test(`whose default export is ${name} is refused`, async () => {
      const { code, retryable } = errorOf(await call(source));
      assert.equal(code, "unsupported_shape");
      assert.equal(retryable, false);
    });
  }
});

describe("timers", () => {
  test("fire in order, repeat, and can be cleared", async () => {
    const source = `export default async () => {
      const seen: string[] = [];
      setTimeout(() => seen.push("never"), 1_000_000);
      const cleared = setTimeout(() => seen.push("cleared"), 1);
      clearTimeout(cleared);
      setTimeout(() => { seen.push("b"); queueMicrotask(() => seen.push("b's microtask")); }, 10);
      setTimeout((word: string) => seen.push(word), 10, "c");
      setTimeout(() => seen.push("a"), 5);
      await new Promise<void>((resolve) => {
        let left = 3;
        const every = setInterval(() => { if (--left === 0) { clearInterval(every); resolve(); } }, 10);
      });
      return seen;
    };`;
    assert.deepEqual(resultOf(await call(source)), ["a", "b", "b's microtask", "c"]);
  });

  test("of a run that ended do not fire in the next", async () => {
    const source = `let fired = 0;
    export default async (waits: boolean) => {
      setTimeout(() => { fired++; }, 1);
      if (waits) await new Promise((resolve) => setTimeout(resolve, 20));
      return fired;
    };`;
    const revisionId = "leftover-timers";
    assert.equal(resultOf(await call(source, { revisionId, input: false })), 0);
    assert.equal(resultOf(await call(source, { revisionId, input: true })), 1);
  });

  test("are bounded in number", async () => {
    const source = "export default () => { for (let i = 0; i < 1001; i++) setTimeout(() => {}, 1000); };";
    const { code, message } = errorOf(await call(source));
    assert.equal(code, "function_error");
    assert.match(message, /at most 1000 timers/);
  });

  test("that throw fail the run", async () => {
    const source =
      "export default () => new Promise(() => setTimeout(() => { throw new RangeError('late'); }, 1));";
    const { code, message, details } = errorOf(await call(source));
    assert.deepEqual([code, message], ["function_error", "late"]);
    assert.equal((details as { name: string }).name, "RangeError");
  });
});

describe("the log", () => {
  test("has levels, formats and fields", async () => {
    const source = `export default (_: unknown, ctx: any) => {
      console.log("%s is %d%%", "half", 50, { a: [1] }, undefined);
      console.warn(new Error("careful").message);
      ctx.log.error("broke", { error: new TypeError("bad"), big: 1n, nested: { b: true } });
      ctx.log.debug("plain");
      const loop: any = { name: "loop" };
      loop.loop = loop;
      ctx.log.info("partly", { order: 7, loop, get broken() { throw new Error("no"); }, none: undefined });
    };`;
    const { outcome, lines } = await begin(source);
    await outcome;
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [
        ["info", 'half is 50% {"a":[1]} undefined'],
        ["warn", "careful"],
        ["error", "broke"],
        ["debug", "plain"],
        ["info", "partly"],
      ],
    );
    // What can be read of them is kept.
    assert.deepEqual(lines[4]!.fields, {
      order: 7,
      loop: { name: "loop", loop: "[Circular]" },
      broken: "[unreadable]",
    });
    const { error, big, nested } = lines[2]!.fields as Record<string, { message?: string }>;
    assert.equal(error!.message, "bad");
    assert.deepEqual([big, nested], ["1", { b: true }]);
    assert.ok(Math.abs(lines[0]!.at.getTime() - Date.now()) < 60_000);
  });

  test("has a second argument that is no object as well, and none that is nothing", async () => {
    const source = `export default (_: unknown, { log }: any) => {
      for (const fields of ["42", 7, false, 10n, [1], null, undefined]) log.info("user", fields);
    };`;
    const { outcome, lines } = await begin(source);
    await outcome;
    assert.deepEqual(
      lines.map(({ fields }) => fields),
      [
        { fields: "42" },
        { fields: 7 },
        { fields: false },
        { fields: "10" },
        { fields: [1] },
        undefined,
        undefined,
      ],
    );
  });

  test("is cut at 1,000 lines and says what was left out", async () => {
    const source =
      "export default () => { for (let i = 0; i < 100_000; i++) console.log('line', i); return 'done'; };";
    const { outcome, lines } = await begin(source);
    assert.equal(resultOf(await outcome), "done");
    assert.equal(lines.length, 1_001);
    assert.equal(lines[999]!.message, "line 999");
    assert.equal(lines[1_000]!.message, "99,000 more log lines were dropped: this run may log 1,000.");
  });

  test("cuts a line at 8 KB, fields included", async () => {
    const source = `export default (_: unknown, ctx: any) => {
      console.log("é".repeat(1_000_000));
      ctx.log.info("short", { big: "x".repeat(1_000_000) });
    };`;
    const { outcome, lines } = await begin(source);
    await outcome;
    assert.ok(Buffer.byteLength(lines[0]!.message) <= 8_192);
    assert.match(lines[0]!.message, /^é+… \(cut, 1000000 characters in all\)$/);
    assert.deepEqual([lines[1]!.message, Object.keys(lines[1]!.fields!)], ["short", ["cut"]]);
  });
});

describe("a function that fails", () => {
  test("by a result that is nested too deeply to be recorded fails of that, and may not be tried again", async () => {
    const nested = (depth: number) =>
      call(
        `export default () => { let deep: any = 0; for (let i = 0; i < ${depth}; i++) deep = [deep]; return deep; };`,
      );
    assert.equal((await nested(1_000)).kind, "succeeded");
    for (const depth of [1_001, 5_000]) {
      const { code, retryable } = errorOf(await nested(depth));
      assert.deepEqual([code, retryable], ["unrecordable_result", false]);
    }
  });

  test("by a result with text that cannot be recorded names the place, and may not be tried again", async () => {
    for (const [result, where] of [
      ['"a\\u0000b"', "The result holds text"],
      ['{ list: [1, { deep: "\\ud800" }] }', 'The result at "list.1.deep" holds text'],
      ['{ a: { "\\u0000": 1 } }', 'The result at "a" holds a name'],
    ] as const) {
      const { code, message, retryable } = errorOf(await call(`export default () => (${result});`));
      assert.deepEqual([code, retryable], ["unrecordable_result", false]);
      assert.equal(message, `${where} with U+0000 or half of a surrogate pair, which cannot be stored.`);
    }
    const whole = await call('export default () => ["\\ud83d\\ude00", "\\\\u0000"];');
    assert.deepEqual(resultOf(whole), ["😀", "\\u0000"]);
  });

  test("tells of an error what can be recorded of it", async () => {
    const { message } = errorOf(await call('export default () => { throw new Error("a\\u0000b\\ud800"); };'));
    assert.equal(message, "a\ufffdb\ufffd");
  });

  test("tells its error and the author's own lines", async () => {
    const source = `function deep(): never { throw new TypeError("bad thing"); }
      export default async function outer() { await null; [1].map(() => deep()); }`;
    const { code, message, details, retryable } = errorOf(await call(source));
    assert.deepEqual([code, message, retryable], ["function_error", "bad thing", true]);
    const { name, stack } = details as { name: string; stack: string };
    assert.equal(name, "TypeError");
    assert.match(stack, /^at deep \(function\.js:\d+:\d+\)\n/);
    assert.match(stack, /at outer \(function\.js/);
    assert.doesNotMatch(stack, /bellhop|isolated-vm|node:|file:/);
  });

  test("in its module's body is tried again from the start", async () => {
    const source = "throw new Error('at the top');\nexport default () => 1;";
    for (let i = 0; i < 2; i++) {
      const { code, message } = errorOf(await call(source, { revisionId: "top" }));
      assert.deepEqual([code, message], ["function_error", "at the top"]);
    }
  });

  const thrown: [string, string][] = [
    ["'just text'", "just text"],
    ["undefined", "undefined"],
    ["Symbol('s')", "Symbol(s)"],
    ["({ code: 7 })", '{"code":7}'],
    ["Object.create(null)", "{}"],
    [
      "new Proxy({}, { get() { throw new Error('trap'); }, ownKeys() { return []; } })",
      "an object that cannot be read was thrown",
    ],
    [
      "Object.defineProperty(new Error(), 'message', { get() { throw 1; } })",
      "an instance of Error was thrown",
    ],
  ];
  for (const [expression, message] of thrown) {
    test(`may throw ${expression}`, async () => {
      const error = errorOf(await call(`export default () => { throw ${expression}; };`));
      assert.deepEqual([error.code, error.message], ["function_error", message]);
    });
  }

  const results: [string, string, RegExp][] = [
    ["() => 'x'.repeat(999_999)", "result_too_large", /1000000 bytes/],
    ["() => 'é'.repeat(500_000)", "result_too_large", /1000000 bytes/],
    ["() => { const a: any = {}; a.a = a; return a; }", "result_not_json", /circular/],
    ["() => 1n", "result_not_json", /BigInt/],
    ["() => () => 1", "result_not_json", /function/],
    ["() => new Uint8Array(2)", "result_not_json", /of the type Uint8Array\./],
    ["() => new ArrayBuffer(2)", "result_not_json", /of the type ArrayBuffer\./],
    ["() => new Blob(['a'])", "result_not_json", /of the type Blob\./],
    ["() => new Headers()", "result_not_json", /of the type Headers\./],
    ["() => new Map([[1, 2]])", "result_not_json", /of the type Map\./],
  ];
  for (const [expression, code, message] of results) {
    test(`by its result, ${code}: ${expression}`, async () => {
      const error = errorOf(await call(`export default ${expression};`));
      assert.deepEqual([error.code, error.retryable], [code, false]);
      assert.match(error.message, message);
    });
  }

  test("not by a result of just the limit", async () => {
    const result = resultOf(await call("export default () => 'x'.repeat(999_998);"));
    assert.equal((result as string).length, 999_998);
  });
});

test("a result that is no plain object and has a form in JSON is that", async () => {
  assert.deepEqual(resultOf(await call("export default () => new Date(0)")), "1970-01-01T00:00:00.000Z");
  assert.equal(resultOf(await call("export default () => new Date(NaN)")), null);
  assert.equal(resultOf(await call("export default () => Object(5)")), 5);
  assert.deepEqual(resultOf(await call("export default () => Buffer.from('a')")), {
    type: "Buffer",
    data: [97],
  });
  assert.deepEqual(resultOf(await call("class Point { x = 1; } export default () => new Point()")), { x: 1 });
});

test("what has no form in JSON is refused as a result, and not looked for within one", async () => {
  const parts =
    "{ map: new Map([[1, 2]]), headers: new Headers({ a: 'b' }), blob: new Blob(['a']), bytes: new Uint8Array(2) }";
  assert.deepEqual(resultOf(await call(`export default () => (${parts});`)), {
    ...{ map: {}, headers: {}, blob: {} },
    bytes: { 0: 0, 1: 0 },
  });
});

describe("a cancelled run", () => {
  test("ends while it waits, and while it loops", async () => {
    for (const rest of ["await new Promise(() => {})", "for (;;);"]) {
      const controller = new AbortController();
      const source = `export default async () => { console.log("here"); ${rest} };`;
      const { outcome, logged } = await begin(source, { signal: controller.signal });
      await logged("here");
      controller.abort();
      assert.deepEqual(await outcome, { kind: "cancelled" });
    }
    assert.equal(resultOf(await call("export default () => 1;")), 1);
  });

  test("that was cancelled before it began does not begin", async () => {
    const { outcome, lines } = await begin("export default () => console.log('no');", {
      signal: AbortSignal.abort(),
    });
    assert.deepEqual(await outcome, { kind: "cancelled" });
    assert.deepEqual(lines, []);
  });
});

test("code that cannot be loaded fails the run alone, as retryable", async () => {
  const outcome = await pool.invoke(
    {
      runId: "r",
      namespaceId: "ns",
      revisionId: "unloadable",
      code: () => Promise.reject(new Error("password=hunter2")),
      input: null,
      attempt: 1,
      scheduledFor: new Date(0),
      env: {},
      limits: { ...DEFAULT_FUNCTION_LIMITS, memoryMb: 64, wallMs: 1_000 },
      reuse: true,
      trigger: "invoke",
      traceparent: "",
    },
    { signal: new AbortController().signal, onLog() {} },
  );
  const { code, message, retryable } = errorOf(outcome);
  assert.deepEqual([code, retryable], ["function_unavailable", true]);
  assert.doesNotMatch(message, /hunter2/);
});
