import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { BellhopError } from "../../core/errors.ts";
import { buildRevision, type RevisionSource } from "./build-revision.ts";

async function buildError(input: RevisionSource): Promise<BellhopError> {
  const thrown = await buildRevision(input).then(
    () => assert.fail("the build succeeded"),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof BellhopError, String(thrown));
  assert.equal(thrown.code, "build_failed");
  assert.equal(thrown.status, 422);
  return thrown;
}

/** The default export of a built script, run here because the test wrote it. */
function load(code: string): unknown {
  const module = { exports: {} as { default?: unknown } };
  new Function("module", "exports", code)(module, module.exports);
  return module.exports.default;
}

const one = (source: string): RevisionSource => ({ files: { "index.ts": source }, entry: "index.ts" });

describe("a source that harms the compiler", () => {
  const gaveUp = /gave up on this source/;
  test("is given up when it grows, and the next build succeeds", async () => {
    const doubling = Array.from({ length: 24 }, (_, i) => `B${i + 1} = B${i} + B${i}`).join(", ");
    const source = `enum E { B0 = "${"x".repeat(100)}", ${doubling} } export default () => [E.B24, E.B24, E.B24];`;
    assert.match((await buildError(one(source))).message, gaveUp);
    assert.equal((load((await buildRevision(one("export default () => 7"))).code) as () => number)(), 7);
  });

  test("makes its own tenant wait, and others by one build alone", async () => {
    const order: string[] = [];
    const build = async (tenant: string) => {
      await buildRevision({ ...one("export default () => 1"), tenant });
      order.push(tenant);
    };
    await Promise.all([build("a"), build("a"), build("a"), build("b")]);
    assert.ok(order.indexOf("b") < 3, order.join());
  });

  test("is refused where too many of its tenant wait", async () => {
    const builds = Array.from({ length: 30 }, () =>
      buildRevision({ ...one("export default () => 1"), tenant: "t" }),
    );
    const outcomes = await Promise.allSettled(builds);
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.ok(refused.length > 0);
    for (const { reason } of refused) assert.equal((reason as BellhopError).code, "build_overloaded");
  });
});

describe("a build that succeeds", () => {
  test("ignores a hashbang", async () => {
    const { code } = await buildRevision(one("#!/usr/bin/env node\nexport default () => 1"));
    assert.equal((load(code) as () => number)(), 1);
  });

  test("is strict where its sources are ES modules, and not where one is CommonJS", async () => {
    const body = "() => { try { undeclared = 1; return 'sloppy'; } catch (error) { return error.name; } }";
    const modes = async (files: Record<string, string>) => {
      const { code } = await buildRevision({ files, entry: "index.js" });
      return (load(code) as () => string)();
    };
    assert.equal(
      await modes({ "index.js": `#!/usr/bin/env node\nexport default ${body}` }),
      "ReferenceError",
    );
    const large = `export default ${body}; export const text = "${"x".repeat(1_000_001)}";`;
    assert.equal(await modes({ "index.js": large }), "ReferenceError");
    const lib = { "lib.js": `export const run = ${body};` };
    assert.equal(
      await modes({ "index.js": 'import { run } from "./lib.js"; export default run;', ...lib }),
      "ReferenceError",
    );
    assert.equal(await modes({ "index.js": `exports.default = ${body}` }), "sloppy");
    assert.equal(
      await modes({
        "index.js": 'import run from "./old.cjs.js"; export default run;',
        "old.cjs.js": `module.exports = ${body};`,
      }),
      "sloppy",
    );
  });

  test("makes one script of several files, with and without extension", async () => {
    const built = await buildRevision({
      files: {
        "src/index.ts":
          'import { twice } from "./lib/math";\nimport text from "../data.json";\nimport { three } from "./lib/three.js";\nimport { four } from "./four";\nexport default (n: number) => [twice(n), text.greeting, three, four];',
        "src/lib/math.ts": "export function twice(n: number): number { return 2 * n; }",
        "src/lib/three.ts": "export const three = 3;",
        "src/four/index.mjs": "export const four = 4;",
        "data.json": '{ "greeting": "hello" }',
      },
      entry: "src/index.ts",
    });
    const run = load(built.code) as (n: number) => unknown;
    assert.deepEqual(run(21), [42, "hello", 3, 4]);
    const { sources, sourcesContent } = JSON.parse(built.sourceMap);
    assert.equal(sourcesContent, undefined);
    assert.deepEqual([...sources].sort(), [
      "data.json",
      "src/four/index.mjs",
      "src/index.ts",
      "src/lib/math.ts",
      "src/lib/three.ts",
    ]);
  });

  test("has elements made where its pragma says", async () => {
    const element = (pragma: string) => ({
      "index.tsx": `${pragma}\nexport default () => <a id="b">c</a>;`,
      "jsx/jsx-runtime.ts": "export const jsx = (...given: unknown[]) => given;",
    });
    for (const pragma of [
      "/** @jsxImportSource ./jsx */",
      "// @jsxRuntime automatic\n/* @jsxImportSource ./jsx */",
    ]) {
      const { code } = await buildRevision({ files: element(pragma), entry: "index.tsx" });
      assert.deepEqual((load(code) as () => unknown)(), ["a", { id: "b", children: "c" }]);
    }
    const classic = element("/** @jsxRuntime classic @jsxImportSource ./jsx */");
    assert.match((await buildRevision({ files: classic, entry: "index.tsx" })).code, /React\.createElement/);
  });

  test("lies at a stable place that is nowhere", async () => {
    const source = `const dirname = "mine"; export default () => [
      import.meta.url, import.meta.filename, import.meta.dirname, __filename, __dirname, dirname ];`;
    for (const awaits of ["", "await 1;"]) {
      const { code } = await buildRevision({ files: { "src/a b.ts": awaits + source }, entry: "src/a b.ts" });
      const module = { exports: {} as { default?: unknown }, ready: undefined as Promise<void> | undefined };
      new Function("module", "exports", code)(module, module.exports);
      await module.ready;
      assert.deepEqual((module.exports.default as () => unknown)(), [
        ...["file:///function/src/a%20b.ts", "/function/src/a b.ts", "/function/src"],
        ...["/function/src/a b.ts", "/function/src", "mine"],
      ]);
    }
  });

  test("addresses the same upload the same, whatever the order of its files", async () => {
    const files = { "a.ts": "export default () => 1;", "b.ts": "export const b = 1;" };
    const first = await buildRevision({ files, entry: "a.ts" });
    const reversed = Object.fromEntries(Object.entries(files).reverse());
    const second = await buildRevision({ files: reversed, entry: "a.ts" });
    const changed = await buildRevision({
      files: { ...files, "b.ts": "export const b = 2;" },
      entry: "a.ts",
    });
    assert.match(first.contentHash, /^[0-9a-f]{64}$/);
    assert.equal(second.contentHash, first.contentHash);
    assert.notEqual(changed.contentHash, first.contentHash);
  });

  test("builds the sample, whose type import vanishes", async () => {
    const source = await readFile(new URL("../samples/greet.ts", import.meta.url), "utf8");
    const { code } = await buildRevision({ files: { "greet.ts": source }, entry: "greet.ts" });
    assert.ok(!code.includes('"bellhop"'));
    assert.equal((load(code) as { name: string }).name, "greet");
  });
});

describe("what is imported while the function runs", () => {
  test("and is not in the upload rejects or throws then, each time, as Node says it; what is there is found", async () => {
    const { code } = await buildRevision({
      files: {
        "index.ts": `
          const fault = (error) => [error.code, error.message];
          export default async () => {
            const answers = [];
            for (const load of [
              () => import("optional"), () => import("optional"), () => import("./gone.ts"), () => require("fsevents"),
              () => require("fsevents"), () => require("gone.mjs"), () => import("./here.ts"),
            ]) {
              try { answers.push((await load()).value); } catch (error) { answers.push(fault(error)); }
            }
            return answers;
          };`,
        "here.ts": "export const value = 7;",
      },
      entry: "index.ts",
    });
    const run = load(code) as () => Promise<unknown[]>;
    const missing = (name: string) =>
      `The package "${name}" is not among the uploaded files: bundle what the function needs and upload that`;
    assert.deepEqual(await run(), [
      ["ERR_MODULE_NOT_FOUND", missing("optional")],
      ["ERR_MODULE_NOT_FOUND", missing("optional")],
      ["ERR_MODULE_NOT_FOUND", '"./gone.ts" is not among the uploaded files'],
      ["MODULE_NOT_FOUND", missing("fsevents")],
      ["MODULE_NOT_FOUND", missing("fsevents")],
      ["MODULE_NOT_FOUND", missing("gone.mjs")],
      7,
    ]);
  });

  test("names no file of the disk, however it is written", async () => {
    const source = `export default async () => {
      const answers = [];
      for (const load of [() => import("/etc/passwd"), () => import("file:///etc/passwd"), () => require("../../../etc/passwd")]) {
        try { answers.push(await load()); } catch (error) { answers.push(error.message); }
      }
      return answers;
    };`;
    const run = load((await buildRevision(one(source))).code) as () => Promise<unknown[]>;
    for (const answer of await run()) assert.match(String(answer), /not among the uploaded files/);
  });
});

describe("a large bundle", () => {
  /** Functions of some 300 bytes, most of them white space and comments. */
  const sourceOf = (bytes: number) => {
    const lines = ["const all: ((n: number) => number)[] = [];"];
    for (let size = 0, n = 0; size < bytes - 500; n += 1) {
      const line = `/* what number ${n} does, ${"at length, ".repeat(12)}*/ function addsNumber${n}(given: number): number {\n        const sum = given + ${n};\n        return sum;\n}\nall.push(addsNumber${n});`;
      lines.push(line);
      size += line.length + 1;
    }
    lines.push("export default (n: number) => [all[n]!(1), all[n]!.name, all.length];");
    return lines.join("\n");
  };

  test("of as much source as an upload may hold is built, shorter, and keeps its names", async () => {
    const source = sourceOf(9_990_000);
    const { code, sourceMap } = await buildRevision(one(source));
    assert.ok(code.length < 0.85 * source.length);
    const run = load(code) as (n: number) => unknown[];
    assert.deepEqual(run(4_000).slice(0, 2), [4_001, "addsNumber4000"]);
    assert.ok(sourceMap.length < 8_000_000, `${sourceMap.length} characters of source map`);
  });

  test("is minified where it is over a bound, and as it was written below that", async () => {
    const plain = await buildRevision(one(sourceOf(200_000)));
    assert.match(plain.code, /const sum = given \+ 7;/);
    const short = await buildRevision(one(sourceOf(1_100_000)));
    assert.doesNotMatch(short.code, /const sum = given \+ 7;/);
    const elements = `export default () => [${"<a/>,".repeat(50_000)}];`;
    const swollen = await buildRevision({ files: { "index.tsx": elements }, entry: "index.tsx" });
    assert.ok(swollen.code.length < 2_000_000 && elements.length < 1_000_000);
    assert.doesNotMatch(swollen.code, /"a", null/);
  });
});

describe("a build that fails says where", () => {
  test("syntax errors carry file, line and column, counted from 1 and in characters", async () => {
    const error = await buildError(one("export default 1;\n\n  const é = 1 x y;"));
    const message = 'index.ts:3:15: Expected ";" but found "x"';
    assert.deepEqual(error.fields, [
      { field: "files.index.ts", message, file: "index.ts", line: 3, column: 15 },
    ]);
    assert.ok(error.message.includes(message));
  });

  test("one field error for each fault, under the caller's field name", async () => {
    const source = 'import "./gone";\nimport axios from "axios";\nexport default () => axios;';
    const error = await buildError({ ...one(source), fieldOf: () => "source" });
    assert.deepEqual(
      error.fields.map(({ field, line, column }) => ({ field, line, column })),
      [
        { field: "source", line: 1, column: 8 },
        { field: "source", line: 2, column: 19 },
      ],
    );
    assert.match(error.fields[0]!.message, /"\.\/gone" is not among the uploaded files/);
    assert.match(error.fields[1]!.message, /The package "axios" is not among the uploaded files/);
  });

  test("a value import of bellhop, a missing default export", async () => {
    const value = await buildError(one('import { kv } from "bellhop";\nexport default () => kv;'));
    assert.match(value.message, /holds only types: write import type/);
    const none = await buildError(one("export const handler = () => 1;"));
    assert.match(none.message, /index\.ts has no default export/);
    const both = await buildError(one("await 1;\nexport default (x) => x x;"));
    assert.match(both.message, /index\.ts:2:25: Expected ";" but found "x"/);
  });

  test("by the paths of the upload, and names what is no source where it is imported", async () => {
    const files = {
      "index.ts": 'import { a } from "./lib.ts";\nexport default a;',
      "lib.ts": "export const b = 1;",
    };
    const { message } = await buildError({ files, entry: "index.ts" });
    assert.match(message, /index\.ts:1:10: No matching export in "lib\.ts" for import "a"/);
    const text = { "index.ts": 'import a from "./a.txt";\nexport default a;', "a.txt": "a" };
    const [fault] = (await buildError({ files: text, entry: "index.ts" })).fields;
    assert.deepEqual([fault?.field, fault?.line, fault?.column], ["files.index.ts", 1, 15]);
    assert.match(fault!.message, /"\.\/a\.txt": a source ends in one of \.ts/);
    const [entry] = (await buildError({ files: text, entry: "a.txt" })).fields;
    assert.deepEqual([entry?.field, entry?.file], ["files.a.txt", "a.txt"]);
  });

  test("what cannot be bundled is told by what it is", async () => {
    const cases: [string, RegExp][] = [
      ["cloudflare:workers", /"cloudflare:workers" is a module of another platform, and a function has none/],
      ["bun:sqlite", /"bun:sqlite" is a module of another platform/],
      ["node:nope", /Node has no module "node:nope"/],
      ["npm:zod", /"npm:zod" is not among the uploaded files: bundle/],
      ["https://esm.example/zod", /"https:\/\/esm\.example\/zod" is not among the uploaded files: bundle/],
      ["zod", /The package "zod" is not among the uploaded files: bundle/],
    ];
    for (const [name, message] of cases)
      assert.match((await buildError(one(`import "${name}";\nexport default 1;`))).message, message);
  });

  test("of the whole upload, which has a field too", async () => {
    const elements = one(`export const view = [${"<a/>,".repeat(250_000)}];\nexport default 1;`);
    const files = { "index.tsx": elements.files["index.ts"]!, "b.ts": "" };
    const { fields } = await buildError({ files, entry: "index.tsx" });
    assert.match(fields[0]!.message, /The built script takes [\d,]+ bytes; the most is 5,000,000/);
    assert.equal(fields[0]?.field, "files");
    const deep = await buildError({
      ...one(`export default ${"[".repeat(900_000)}`),
      fieldOf: () => "source",
    });
    assert.equal(deep.fields[0]?.field, "source");
  });

  test("a source too deep for the compiler fails alone: the next one builds", async () => {
    const deep = buildError(one(`export default ${"[".repeat(900_000)}`));
    const good = buildRevision(one("export default () => 1;"));
    assert.match((await deep).message, /nests too deeply/);
    assert.equal((load((await good).code) as () => number)(), 1);
  });
});

describe("what is refused before the build", () => {
  const refused: [string, RevisionSource, RegExp][] = [
    ["no files", { files: {}, entry: "index.ts" }, /no files/],
    ["an entry that is not there", { files: { "a.ts": "" }, entry: "b.ts" }, /"b\.ts" is not among/],
    ["an absolute path", { files: { "/etc/a.ts": "" }, entry: "/etc/a.ts" }, /must be relative/],
    ["a path that climbs", { files: { "a/../../b.ts": "" }, entry: "a/../../b.ts" }, /must not contain/],
    ["a backslash", { files: { "a\\b.ts": "" }, entry: "a\\b.ts" }, /forward slashes/],
    ["too much source", one(`export default 1; // ${"x".repeat(10_000_000)}`), /the most is 10,000,000/],
    [
      "too many files",
      { files: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`${i}.ts`, ""])), entry: "0.ts" },
      /101 files; the most is 100/,
    ],
  ];
  for (const [name, input, message] of refused) {
    test(name, async () => {
      const error = await buildError(input);
      assert.match(error.message, message);
      assert.equal(error.fields[0]?.message, error.message);
    });
  }
});

test("nothing is read from the disk: no import, no source map, no tsconfig", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-build-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "secret.ts"), "export default 'topsecret';");
  const map = { version: 3, sources: ["x"], sourcesContent: ["topsecret"], mappings: "AAAA", names: [] };
  await writeFile(join(folder, "x.map"), JSON.stringify(map));

  const path = join(folder, "secret.ts");
  for (const specifier of [path, pathToFileURL(path).href, `../../../../../../..${path}`]) {
    const error = await buildError(
      one(`import x from ${JSON.stringify(specifier)};\nexport default () => x;`),
    );
    assert.match(error.message, /not among the uploaded files/);
  }
  const url = pathToFileURL(join(folder, "x.map")).href;
  for (const comment of [`//# sourceMappingURL=${url}`, `/*# sourceMappingURL=${url} */`]) {
    const { sourceMap } = await buildRevision(one(`export default () => 1;\n${comment}`));
    assert.ok(!sourceMap.includes("topsecret"));
    assert.deepEqual(JSON.parse(sourceMap).sources, ["index.ts"]);
  }
});
