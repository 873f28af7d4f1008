import assert from "node:assert/strict";
import { test } from "node:test";
import ivm from "isolated-vm";
import { RevisionScript } from "./revision-script.ts";

async function answerOf(script: RevisionScript): Promise<unknown> {
  const isolate = new ivm.Isolate({ memoryLimit: 16 });
  try {
    const context = await isolate.createContext();
    const factory = await script.evaluate(isolate, context);
    await context.global.set("factory", factory.derefInto());
    return await context.eval(
      "const module = { exports: {} }; factory(module, module.exports); module.exports.answer",
    );
  } finally {
    isolate.dispose();
  }
}

test("a script means the same in each isolate, compiled anew or from what was kept", async () => {
  const script = new RevisionScript("let n = 41; exports.answer = ++n;");
  for (let n = 0; n < 3; n += 1) assert.equal(await answerOf(script), 42);
});

test("a script that does not compile says so each time", async () => {
  const script = new RevisionScript("exports.answer = ;");
  for (let n = 0; n < 2; n += 1) await assert.rejects(answerOf(script), SyntaxError);
});
