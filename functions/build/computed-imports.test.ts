/** Imports whose name is computed: the compiler tells nothing of the disk it runs on. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { BellhopError } from "../../core/errors.ts";
import { buildRevision } from "./build-revision.ts";
import { stopCompiler } from "./compiler.ts";

after(stopCompiler);

const UP = "../".repeat(600);

async function refusalOf(source: string) {
  const files = { "index.ts": source, "locales/en.js": "export default 1" };
  const error = await buildRevision({ files, entry: "index.ts" }).then(
    () => assert.fail(`built: ${source}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BellhopError);
  assert.equal(error.status, 422);
  return { message: error.message, fields: error.fields };
}

describe("a computed import is refused in the same words, whatever the disk holds", () => {
  const wrappings: Record<string, (call: string) => string> = {
    plain: (call) => `export default (n) => ${call};`,
    tried: (call) => `export default async (n) => { try { await ${call} } catch {} }`,
    twice: (call) => `export default (n) => [${call}, ${call}];`,
  };
  for (const [name, wrap] of Object.entries(wrappings)) {
    for (const asked of ["import", "require"]) {
      test(`${asked}, ${name}`, async () => {
        // Of one length, so that columns are the same: files, no file, no folder.
        const paths = [`${UP}etc/pass`, `${UP}etc/zzzz`, `${UP}zzz/pass`, `${UP}proc/sel`];
        const refusals = [];
        for (const path of paths) refusals.push(await refusalOf(wrap(`${asked}(\`${path}\${n}\`)`)));
        for (const refusal of refusals) assert.deepEqual(refusal, refusals[0]);
        assert.equal(refusals[0]?.fields.length, 1);
        assert.doesNotMatch(JSON.stringify(refusals), /passwd|etc\//);
      });
    }
  }

  test("nor does it name the files where the compiler runs", async () => {
    for (const call of ['import("./" + n)', 'require("./" + n)', 'import("./locales/" + n + ".js")']) {
      assert.match((await refusalOf(`export default (n) => ${call};`)).message, /is computed from text/);
    }
  });
});

test("a name that is all computed, or absolute, is not looked for on the disk", async () => {
  for (const call of ["import(n)", "require(n)", "import(`/etc/pass${n}`)", "require('/etc/pass' + n)"]) {
    const files = { "index.ts": `export default (n) => ${call};` };
    const { code } = await buildRevision({ files, entry: "index.ts" });
    assert.doesNotMatch(code, /passwd/);
  }
});

test("the source map names no namespace of the compiler's", async () => {
  const files = { "index.ts": 'export default () => { try { require("fsevents") } catch {} };' };
  const { sourceMap } = await buildRevision({ files, entry: "index.ts" });
  assert.doesNotMatch(sourceMap, /bellhop/);
});
