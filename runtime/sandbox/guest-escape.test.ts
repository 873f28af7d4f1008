/** What a hostile function reaches for: nothing of the host may be there, nothing it does may last or spread. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { errorOf, resultOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, begin, call } = startSandbox();
after(() => pool.close());

describe("what is not there", () => {
  test("no global of the host, no name of the guest's own code", async () => {
    const names = "require module exports WebAssembly SharedArrayBuffer Atomics";
    const inner =
      "bellhopBoot boot installWeb runHost currentRun host receiveMessage settle wake enter $0 $1 $2 $3 _ivm";
    const source = `export default () => "${names} ${inner}".split(" ").filter((name) => {
      try { return (0, eval)("typeof " + name) !== "undefined" || name in globalThis; } catch { return true; }
    });`;
    assert.deepEqual(resultOf(await call(source)), []);
  });

  test("deleting what was taken away does not bring it back", async () => {
    const source = `export default () => {
      const g = globalThis as any;
      for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics"]) { g[name] = 1; delete g[name]; }
      return [typeof g.WebAssembly, typeof g.SharedArrayBuffer, typeof g.Atomics];
    };`;
    assert.deepEqual(resultOf(await call(source)), ["undefined", "undefined", "undefined"]);
  });

  test("no way out through constructors, context, callers or errors", async () => {
    const source = `export default async (_: unknown, ctx: any) => {
      const probe = "return [typeof internalBinding, typeof require, this === undefined || this === globalThis]";
      const doors: any[] = [globalThis, console, console.log, ctx, ctx.log.info, ctx.env, setTimeout, new Error(), async () => {}];
      try { null!.x; } catch (error) { doors.push(error); }
      try { setTimeout("code" as any); } catch (error) { doors.push(error); }
      try { const name = "node:fs"; await import(name + ""); doors.push("imported"); } catch (error) { doors.push(error); }
      const seen = doors.map((door) => String(door.constructor.constructor(probe)()));
      return [...new Set(seen)];
    };`;
    assert.deepEqual(resultOf(await call(source)), ["undefined,undefined,true"]);
  });

  test("no file, address or text is imported at run time, nor what node: modules share among themselves", async () => {
    const source = `export default async () => {
      const answers: string[] = [];
      for (const name of ["internal:services", "node:internal:services", "./index.ts", "data:text/javascript,1"]) {
        try { await import(name + ""); answers.push("imported " + name); } catch { answers.push("refused"); }
      }
      return answers;
    };`;
    assert.deepEqual(resultOf(await call(source)), ["refused", "refused", "refused", "refused"]);
  });

  test("stack frames hand out no function and no receiver of the guest's own code", async () => {
    const source = `export default (_: unknown, ctx: any) => {
      const seen: unknown[] = [];
      (Error as any).prepareStackTrace = (_error: unknown, sites: any[]) => {
        for (const site of sites) if (/bellhop/.test(site.getFileName())) seen.push(typeof site.getFunction(), typeof site.getThis());
        return "";
      };
      ctx.log.info("x", { toJSON() { return { stack: new Error().stack }; } });
      return [seen.length > 0, ...new Set(seen)];
    };`;
    assert.deepEqual(resultOf(await call(source)), [true, "undefined"]);
  });
});

test("no array buffer is resizable, whichever door it comes through", async () => {
  const source = `export default () => {
    const Real = ArrayBuffer as any;
    class Sub extends Real { constructor(length: number, options: unknown) { super(length, options); } }
    let reads = 0;
    const shifty = { get maxByteLength() { return reads++ === 0 ? undefined : 64; } };
    const doors: (() => any)[] = [
      () => new Real(8, { maxByteLength: 64 }),
      () => new (new Uint8Array(8).buffer.constructor as any)(8, { maxByteLength: 64 }),
      () => new (new DataView(new Real(8)).buffer as any).constructor(8, { maxByteLength: 64 }),
      () => Reflect.construct(Real, [8, { maxByteLength: 64 }]),
      () => Reflect.construct(Real, [8, { maxByteLength: 64 }], Object),
      () => new Sub(8, { maxByteLength: 64 }),
      () => new Real(8, shifty),
      () => new Real[Symbol.species](8, { maxByteLength: 64 }),
      () => new Real(8).slice(0, 4),
      () => new Real(8).transfer(16),
    ];
    return doors.map((open) => { try { return open().resizable; } catch (error: any) { return error.name; } });
  };`;
  const refused = "RangeError";
  assert.deepEqual(resultOf(await call(source)), [
    refused,
    refused,
    refused,
    refused,
    refused,
    refused,
    false,
    refused,
    false,
    false,
  ]);
  const plain = `export default () => {
    const b = new ArrayBuffer(8);
    return [b instanceof ArrayBuffer, b.constructor === ArrayBuffer, ArrayBuffer.name, b.byteLength,
      ArrayBuffer.isView(new Uint8Array(b)), new Uint8Array([1, 2]).slice(1)[0]];
  };`;
  assert.deepEqual(resultOf(await call(plain)), [true, true, "ArrayBuffer", 8, true, 2]);
});

test("built-ins that a function replaced do not break its run nor lift its limits", async () => {
  const source = `const { ownKeys } = Reflect;
  export default async () => {
    const wait = setTimeout;
    const evil = () => { throw new Error("replaced"); };
    const holders: any[] = [JSON, Math, Date, Object, Reflect, Array, String, Number, Promise, Map.prototype, RegExp.prototype,
      Array.prototype, String.prototype, Promise.prototype, Function.prototype];
    for (let h = 0; h < holders.length; h++) {
      const keys = ownKeys(holders[h]);
      for (let k = 0; k < keys.length; k++) {
        const key = keys[k]!;
        if (key === "constructor" || key === "prototype") continue;
        try { if (typeof holders[h][key] === "function") holders[h][key] = evil; } catch {}
      }
    }
    for (let i = 0; i < 1_500; i++) console.log("line");
    await new Promise((resolve) => wait(resolve, 1));
    return { survived: true };
  };`;
  const { outcome, lines } = await begin(source);
  assert.deepEqual(resultOf(await outcome), { survived: true });
  assert.equal(lines.length, 1_001);
});

test("properties planted on Object.prototype do not change what a run is told or says", async () => {
  const source = `export default (_: unknown, ctx: any) => {
    const planted = Object.prototype as any;
    planted.toJSON = function () { return "forged"; };
    planted.ended = true;
    planted.code = "ok";
    throw new Error("the truth");
  };`;
  const { code, message } = errorOf(await call(source));
  assert.deepEqual([code, message], ["function_error", "the truth"]);
});

test("a run that ended logs nothing into the next, through its own context", async () => {
  const source = `let old: any;
    export default (_: unknown, ctx: any) => { old?.log.info("from the dead"); old = ctx; ctx.log.info("alive"); };`;
  await call(source, { revisionId: "ghost" });
  const { outcome, lines } = await begin(source, { revisionId: "ghost" });
  await outcome;
  assert.deepEqual(
    lines.map(({ message }) => message),
    ["alive"],
  );
});

test("namespaces share no executor and no isolate, even of one revision", async () => {
  const source =
    "let secret = 'none';\nexport default (input: string) => { const before = secret; secret = input; return before; };";
  const revisionId = "shared";
  assert.equal(resultOf(await call(source, { revisionId, namespaceId: "a", input: "a's" })), "none");
  assert.equal(resultOf(await call(source, { revisionId, namespaceId: "b", input: "b's" })), "none");
  assert.equal(resultOf(await call(source, { revisionId, namespaceId: "a", input: "x" })), "a's");
  assert.notEqual(pool.pidOf("a"), pool.pidOf("b"));
});
