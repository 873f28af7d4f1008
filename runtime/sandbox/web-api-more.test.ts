/** The web platform's API inside the isolate: events, streams, clones, compression, time, and what poisoned built-ins do. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const sandbox = startSandbox();
after(() => sandbox.pool.close());

/** Runs the statements as a function's body; what it returns is compared. */
function gives(name: string, body: string, expected: Json): void {
  test(name, async () => {
    const source = `export default async function (): Promise<any> { const globals = globalThis as any; ${body} }`;
    assert.deepEqual(resultOf(await sandbox.call(source)), expected);
  });
}

describe("events and signals", () => {
  gives(
    "listeners are called once, in order, until one stops them",
    `const seen: string[] = []; const target = new EventTarget();
     target.addEventListener("x", () => seen.push("once"), { once: true });
     target.addEventListener("x", { handleEvent: (event: Event) => { seen.push(event.type); event.stopImmediatePropagation(); } });
     target.addEventListener("x", () => seen.push("never"));
     target.dispatchEvent(new Event("x")); target.dispatchEvent(new CustomEvent("x", { detail: 1 }));
     return seen;`,
    ["once", "x", "x"],
  );
  gives(
    "a listener that throws is told to the global object, and the next one is called",
    `const seen: string[] = []; self.addEventListener("error", (event: any) => { seen.push(event.error.message); event.preventDefault(); });
     const target = new EventTarget(); target.addEventListener("x", () => { throw new Error("boo"); });
     target.addEventListener("x", () => seen.push("next")); target.dispatchEvent(new Event("x"));
     return seen;`,
    ["boo", "next"],
  );
  test("reportError goes to the run's log and ends nothing", async () => {
    const call = await sandbox.begin(
      "export default () => { reportError(new RangeError('odd')); return 1; };",
    );
    assert.equal(resultOf(await call.outcome), 1);
    assert.match(call.lines[0]!.message, /^Uncaught RangeError: odd/);
    assert.equal(call.lines[0]!.level, "error");
  });
  gives(
    "a signal follows the first of its sources",
    `const a = new AbortController(); const b = new AbortController(); const any = AbortSignal.any([a.signal, b.signal]);
     let heard = 0; any.onabort = () => heard++; b.abort("why"); a.abort("late");
     return [any.aborted, any.reason, heard, a.signal.reason];`,
    [true, "why", 1, "late"],
  );
  gives(
    "a timeout aborts with TimeoutError",
    `const signal = AbortSignal.timeout(5); await new Promise((resolve) => signal.addEventListener("abort", resolve));
     return [signal.reason.name, signal.reason instanceof DOMException];`,
    ["TimeoutError", true],
  );
  gives(
    "a signal takes listeners away",
    `const controller = new AbortController(); const target = new EventTarget(); let count = 0;
     target.addEventListener("x", () => count++, { signal: controller.signal });
     target.dispatchEvent(new Event("x")); controller.abort(); target.dispatchEvent(new Event("x")); return count;`,
    1,
  );
  gives(
    "DOMException is an error with a code and a readable stack",
    `const error = new DOMException("gone", "NotFoundError");
     return [error instanceof Error, error.code, String(error), error.stack!.split("\\n")[0], DOMException.ABORT_ERR];`,
    [true, 8, "NotFoundError: gone", "NotFoundError: gone", 20],
  );
  gives(
    "messages pass through a channel as clones",
    `const { port1, port2 } = new MessageChannel(); const sent = { list: [1] };
     const got: any = new Promise((resolve) => { port2.onmessage = (event) => resolve(event.data); });
     port1.postMessage(sent); sent.list.push(2); return got;`,
    { list: [1] },
  );
});

describe("streams", () => {
  gives(
    "are iterated, piped and teed",
    `const upper = new TransformStream<string, string>({ transform: (chunk, one) => one.enqueue(chunk.toUpperCase()) });
     const [a, b] = ReadableStream.from(["x", "y"]).pipeThrough(upper).tee(); const seen: string[] = [];
     for await (const chunk of a) seen.push(chunk); for await (const chunk of b) seen.push(chunk); return seen;`,
    ["X", "Y", "X", "Y"],
  );
  gives(
    "a writer feels back-pressure",
    `let open = () => {}; const writable = new WritableStream({ write: () => new Promise<void>((resolve) => { open = resolve; }) });
     const writer = writable.getWriter(); void writer.write(1); const before = writer.desiredSize; await Promise.resolve();
     open(); await writer.ready; return [before, writer.desiredSize];`,
    [0, 1],
  );
  gives(
    "a byte stream fills the reader's buffer",
    `const stream = new ReadableStream({ type: "bytes", start(one) { one.enqueue(new Uint8Array([1, 2, 3])); one.close(); } });
     const { value } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(2)); return [...value!];`,
    [1, 2],
  );
  gives(
    "text streams keep characters whole",
    `const bytes = ReadableStream.from([new Uint8Array([0xe2]), new Uint8Array([0x82, 0xac])]); let text = "";
     for await (const chunk of bytes.pipeThrough(new TextDecoderStream() as any)) text += chunk; return text;`,
    "€",
  );
  gives(
    "a Blob is sliced, streamed and read",
    `const blob = new Blob(["ab", new Uint8Array([99])], { type: "Text/Plain" });
     return [blob.size, blob.type, await blob.slice(1, -1).text(), await new Response(blob.stream()).text()];`,
    [3, "text/plain", "b", "abc"],
  );
});

describe("compression", () => {
  for (const format of ["gzip", "deflate", "deflate-raw"]) {
    gives(
      `${format} there and back`,
      `const text = "hello ".repeat(10_000); const through = (body: BodyInit, stream: any) => new Response(new Response(body).body!.pipeThrough(stream)).bytes();
       const small = await through(text, new CompressionStream("${format}" as any));
       const back = await through(small, new DecompressionStream("${format}" as any));
       return [small.length < 1_000, new TextDecoder().decode(back) === text];`,
      [true, true],
    );
  }
  gives(
    "cut, broken and overlong data is refused",
    `const read = (bytes: Uint8Array<ArrayBuffer>) => new Response(new Response(bytes).body!.pipeThrough(new DecompressionStream("gzip"))).text().then(() => "none", (error) => error.name);
     const good = await new Response(new Response("hello").body!.pipeThrough(new CompressionStream("gzip"))).bytes();
     const broken = good.slice(); broken[12]! ^= 255;
     return [await read(good.slice(0, -3)), await read(broken), await read(new Uint8Array([...good, 0]))];`,
    ["TypeError", "TypeError", "TypeError"],
  );
  test("a bomb costs its own run its memory and nobody else's", async () => {
    const bomb = `export default async () => {
      const zeros = new Uint8Array(1_000_000);
      const packed = await new Response(ReadableStream.from(Array(120).fill(zeros)).pipeThrough(new CompressionStream("gzip"))).bytes();
      const chunks = []; for await (const chunk of new Response(packed).body!.pipeThrough(new DecompressionStream("gzip"))) chunks.push(chunk);
      return chunks.length; };`;
    const { code, message } = errorOf(
      await sandbox.call(bomb, { namespaceId: "bomb", memoryMb: 32, wallMs: 60_000 }),
    );
    assert.match(
      `${code}: ${message}`,
      /^(?:function_memory_exceeded|executor_killed|function_error: Array buffer allocation failed)/,
    );
    assert.equal(resultOf(await sandbox.call("export default () => 1;")), 1);
  });
});

describe("structuredClone", () => {
  gives(
    "keeps what JSON loses",
    `const shared = { n: 1n }; const given = { at: new Date(5), map: new Map([[shared, new Set([1])]]), shared, re: /a/gi, bytes: new Uint16Array([1, 2]), un: undefined };
     const copy: any = structuredClone(given); const [key] = [...copy.map.keys()];
     return [copy.at.getTime(), key === copy.shared, key !== shared, String(copy.re), [...copy.bytes], "un" in copy];`,
    [5, true, true, "/a/gi", [1, 2], true],
  );
  gives(
    "keeps errors with their cause, and cycles",
    `const error: any = new RangeError("r", { cause: { a: 1 } }); const loop: any = {}; loop.self = loop;
     const copy = structuredClone(error); return [copy.name, copy.message, copy.cause, copy instanceof RangeError, structuredClone(loop).self.self !== loop];`,
    ["RangeError", "r", { a: 1 }, true, true],
  );
  gives(
    "moves a buffer and refuses what cannot be cloned",
    `const buffer = new ArrayBuffer(8); const view = new Uint8Array(buffer, 4, 2); const moved = structuredClone(view, { transfer: [buffer] });
     const name = (value: unknown) => { try { structuredClone(value); return "none"; } catch (error: any) { return error.name; } };
     return [moved.byteOffset, moved.length, buffer.byteLength, name(() => {}), name(Symbol()), name(new WeakMap()), name(new URL("a:b")), name(Promise.resolve())];`,
    [4, 2, 0, "DataCloneError", "DataCloneError", "DataCloneError", "DataCloneError", "DataCloneError"],
  );
});

describe("time", () => {
  gives(
    "performance counts from the isolate's own beginning",
    // One that stands ready may have stood for a while.
    `const from = Date.now(); const now = performance.now(); const at = performance.timeOrigin + now;
     return [now > 0 && now < 600_000, at > from - 1_000 && at < Date.now() + 1_000];`,
    [true, true],
  );
  gives(
    "marks and measures",
    `performance.mark("a", { startTime: 1, detail: { x: 1 } }); const measure = performance.measure("m", { start: "a", duration: 5 });
     performance.clearMarks(); return [measure.startTime, measure.duration, performance.getEntries().map((entry) => entry.name)];`,
    [1, 5, ["m"]],
  );
  test("entries do not outlive their run", async () => {
    const source = `export default () => { const left = performance.getEntries().length; performance.mark("a"); return left; };`;
    const revisionId = "entries";
    assert.equal(resultOf(await sandbox.call(source, { revisionId })), 0);
    assert.equal(resultOf(await sandbox.call(source, { revisionId })), 0);
  });
});

describe("poisoned built-ins", () => {
  const poison = `
    const { apply } = Reflect;
    const seen: unknown[] = []; let count = 0; const spy = (target: any, name: any) => { const real = target[name]; if (typeof real !== "function") return;
      try { target[name] = function (this: unknown, ...args: unknown[]) { seen[count++] = this; for (let i = 0; i < args.length; i++) seen[count++] = args[i]; return apply(real, this, args); }; } catch {} };
    for (const [target, names] of [[Array.prototype, ["push", "map", "filter", "forEach", "slice", "join", "shift"]], [Map.prototype, ["get", "set", "delete", "forEach"]],
      [Promise.prototype, ["then", "catch"]], [JSON, ["parse", "stringify"]], [String.prototype, ["slice", "replace"]], [Function.prototype, ["call", "apply", "bind"]],
      [Uint8Array.prototype, ["set", "slice", "subarray"]], [Object, ["entries", "keys", "defineProperty"]]] as any) for (const name of names) if (name !== "apply") spy(target, name);
    for (const name of ["send", "randomBytes", "domainToAscii", "events", "request", "resolve"]) Object.defineProperty(Object.prototype, name, { set(value) { seen[count++] = value; }, get() { return undefined; }, configurable: true });`;
  const look = `
    const isHost = (value: any) => value !== null && (typeof value === "object" || typeof value === "function") && ("domainToAscii" in value && typeof value.domainToAscii === "function" || /isolated|Reference|Callback/.test(Object.prototype.toString.call(value)));
    const total = count; let found = 0; for (let i = 0; i < total; i++) if (isHost(seen[i])) found++;
    return [found, total > 20];`;
  gives(
    "never see the way to the host",
    `${poison}
    await crypto.subtle.digest("SHA-256", new Uint8Array(3)).catch(() => {}); crypto.randomUUID(); new URL("https://bücher.example/");
    await fetch("https://a.invalid/").catch(() => {}); ${look}`,
    [0, true],
  );
  test("leave the next function's isolate alone", async () => {
    await sandbox.call(
      `export default () => { (Promise.prototype as any).then = 1; (JSON as any).parse = 1; (Array.prototype as any).push = 1; };`,
    );
    assert.equal(
      resultOf(await sandbox.call("export default async () => (await new Response('1').json());")),
      1,
    );
  });
});
