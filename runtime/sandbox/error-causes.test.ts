/** What a run's error carries of what it was caused by. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { errorOf, startSandbox } from "./sandbox-fixture.ts";

const { pool, call } = startSandbox();
after(() => pool.close());

interface Details {
  name: string;
  stack: string;
  code?: string;
  causes?: { name: string; message: string; stack: string; code?: string }[];
}

async function detailsOf(body: string): Promise<Details> {
  return errorOf(await call(`export default async () => { ${body} };`)).details as unknown as Details;
}

test("an error carries its code and its chain of causes, each with the author's own lines", async () => {
  const { name, code, causes } = await detailsOf(`
    const refused = Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" });
    throw Object.assign(new Error("not saved", { cause: new Error("no connection", { cause: refused }) }), { code: "E_SAVE" });`);
  assert.deepEqual([name, code], ["Error", "E_SAVE"]);
  assert.deepEqual(
    causes!.map((cause) => [cause.name, cause.message, cause.code]),
    [
      ["Error", "no connection", undefined],
      ["TypeError", "refused", "ECONNREFUSED"],
    ],
  );
  for (const { stack } of causes!) assert.match(stack, /^at default \(function\.js:\d+:\d+\)$/);
});

test("an AggregateError carries its errors, whatever they are", async () => {
  const { causes } = await detailsOf(
    `await Promise.any([Promise.reject(new RangeError("one")), Promise.reject("two")]);`,
  );
  assert.deepEqual(
    causes!.map(({ name, message }) => [name, message]),
    [
      ["RangeError", "one"],
      ["Error", "two"],
    ],
  );
});

test("causes are bounded, whether they go round, on for ever or cannot be read", async () => {
  const round = await detailsOf(
    `const e: any = new Error("a"); e.cause = new Error("b", { cause: e }); throw e;`,
  );
  assert.deepEqual(
    round.causes!.map(({ message }) => message),
    ["b"],
  );
  const long = await detailsOf(`
    let e = new Error("x".repeat(100_000));
    for (let i = 0; i < 1_000; i++) e = new Error("x".repeat(100_000), { cause: e });
    throw e;`);
  assert.equal(long.causes!.length, 8);
  for (const { message, stack } of long.causes!) assert.ok(message.length <= 2_001 && stack.length <= 2_001);
  const wide = await detailsOf(
    `throw new AggregateError(Array.from({ length: 1_000 }, () => new Error("x")));`,
  );
  assert.equal(wide.causes!.length, 8);
  const broken = await detailsOf(
    `throw Object.defineProperty(new Error("a"), "cause", { get() { throw new Error("no"); } });`,
  );
  assert.equal(broken.causes, undefined);
  const spoilt = await detailsOf(
    `(Array.prototype as any).toJSON = () => [{ name: 1 }, "x"]; throw new Error("a", { cause: new Error("b") });`,
  );
  assert.equal(spoilt.causes, undefined);
});
