import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { assembleRuns, type RealmResult } from "./assemble.ts";
import { Checkout } from "./checkout.ts";
import { foldAnswers } from "./results.ts";
import { nodeTarget, sandboxTarget, type Target } from "./targets.ts";

/** As much of the real harness as realm.js speaks to: tests run at once, completion comes after all scripts. */
const HARNESS = `
(function (global) {
  const tests = [];
  let onResult, onCompletion;
  let done = false;
  function complete(status) {
    if (done) return;
    done = true;
    onCompletion(tests, status);
  }
  global.add_result_callback = (callback) => { onResult = callback; };
  global.add_completion_callback = (callback) => { onCompletion = callback; };
  global.timeout = () => complete({ status: 2, message: "" });
  global.test = (body, name) => {
    const result = { name, status: 0, message: null };
    try { body(); } catch (error) { result.status = 1; result.message = String(error.message); }
    tests.push(result);
    onResult(result);
  };
  global.promise_test = (body, name) => {
    global.waiting = (global.waiting ?? 0) + 1;
    body().then(() => global.test(() => {}, name), (error) => global.test(() => { throw error; }, name))
      .then(() => { if (--global.waiting === 0) complete({ status: 0 }); });
  };
  Promise.resolve().then(() => { if (!global.waiting) complete({ status: 0 }); });
})(self);`;

const FILES: Record<string, string> = {
  "resources/testharness.js": HARNESS,
  "common/strict.js": "'use strict'; const fromStrict = 1; function strictFunction() { return this; }",
  "common/sloppy.js": "let fromSloppy = 2; var fromVar = 3; class FromClass {}",
  "url/resources/data.json": '{"answer": 42}',
  "url/scripts.any.js": `// META: script=/common/strict.js
    // META: script=../common/sloppy.js
    test(() => { if (fromStrict + fromSloppy + fromVar !== 6 || !FromClass) throw new Error("sum"); }, "names");
    test(() => { if (strictFunction() !== undefined) throw new Error("this"); }, "strict stays strict");
    test(() => { throw new Error("no way"); }, "wrong");`,
  "url/data.any.js": `promise_test(async () => {
      const data = await (await fetch("resources/data.json")).json();
      if (data.answer !== 42) throw new Error("not " + data.answer);
    }, "data");`,
  "url/variants.any.js": `// META: variant=?one
    // META: variant=?two
    test(() => { if (location.search !== "?one") throw new Error(location.search); }, "search");`,
  "url/broken.any.js": `test(() => {}, "before"); nowhere();`,
};

// What stands behind the margin above is code; META lines begin their line.
const textOf = (source: string) => source.replace(/\n {4}/g, "\n");

const root = mkdtempSync(join(tmpdir(), "conformance-"));
const targets: [string, Target][] = [
  ["node", nodeTarget()],
  ["the sandbox", sandboxTarget()],
];

before(() => {
  for (const [path, source] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), textOf(source));
  }
});

after(async () => {
  for (const [, target] of targets) await target.close();
  rmSync(root, { recursive: true });
});

async function answersOf(target: Target, path: string): Promise<RealmResult[]> {
  const checkout = new Checkout(root);
  const file = checkout.list("url").find((candidate) => candidate.path === path);
  assert.ok(file);
  const answers = [];
  for (const run of assembleRuns(checkout, file)) answers.push((await target.run(run)) as RealmResult);
  return answers;
}

for (const [name, target] of targets) {
  test(`in ${name} scripts share what they declare, each in its own mode, and failures come back by name`, async () => {
    const [answer] = await answersOf(target, "url/scripts.any.js");
    assert.deepEqual(answer, {
      harness: "OK",
      message: "",
      passes: 2,
      failures: [["wrong", "FAIL", "no way"]],
      left: 0,
    });
  });

  test(`in ${name} a test's own data can be fetched`, async () => {
    const [answer] = await answersOf(target, "url/data.any.js");
    assert.deepEqual([answer?.passes, answer?.failures], [1, []]);
  });

  test(`in ${name} a file runs once for each variant`, async () => {
    const answers = await answersOf(target, "url/variants.any.js");
    assert.deepEqual(
      answers.map(({ passes }) => passes),
      [1, 0],
    );
    assert.deepEqual(foldAnswers(answers).failures, [{ name: "search", status: "FAIL", message: "?two" }]);
  });

  test(`in ${name} a script that throws is a failure of the file beside what it had to say`, async () => {
    const { passes, failures } = foldAnswers(await answersOf(target, "url/broken.any.js"));
    assert.equal(passes, 1);
    assert.equal(failures[0]?.name, "(the file)");
    assert.match(failures[0].message, /url\/broken\.any\.js: ReferenceError: nowhere/);
  });
}

test("a folder without a harness is no checkout", () => {
  assert.throws(() => new Checkout(join(root, "url")), { message: /no checkout of web-platform-tests/ });
});
