/** Imports whose name is computed: they find the upload's files, and the compiler never looks at the disk. */
import assert from "node:assert/strict";
import { SourceMap, type SourceMapPayload } from "node:module";
import { after, describe, test } from "node:test";
import { BellhopError } from "../../core/errors.ts";
import { buildRevision } from "./build-revision.ts";
import { stopCompiler } from "./compiler.ts";
import { rewriteComputedImports } from "./computed-imports.ts";

after(stopCompiler);

type Loaded = (name: string) => unknown;

/** The default export of the built script, with the `require` that the sandbox would give it. */
async function load(source: string, files: Record<string, string> = {}, entry = "index.ts"): Promise<Loaded> {
  const { code } = await buildRevision({ files: { ...files, [entry]: source }, entry });
  const module = { exports: {} as { default?: Loaded }, ready: undefined as Promise<unknown> | undefined };
  const require = (name: string) => {
    if (name === "node:path") return { sep: "/" };
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
  };
  new Function("module", "exports", "require", code)(module, module.exports, require);
  await module.ready;
  return module.exports.default!;
}

async function codeOf(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
}

const LOCALES = {
  "locales/en.js": "export default 'hello';",
  "locales/de.ts": "const word: string = 'hallo'; export default word;",
  "locales/fr/ca.mjs": "export default 'bonjour';",
  "locales/names.json": '["Ada"]',
  "locales/README.md": "# not to be built",
  "other.ts": "export default 'other';",
};

describe("a name computed from text that begins like a path", () => {
  test("finds files of the upload, and rejects where there is none", async () => {
    const source = "export default async (n) => (await import(`./locales/${n}.js`)).default;";
    const run = await load(source, LOCALES);
    assert.equal(await run("en"), "hello");
    // TypeScript goes by the name of what it becomes, and a value after a slash may be several folders.
    assert.equal(await run("de"), "hallo");
    for (const name of ["es", "../other", "fr/ca", "names", ""]) {
      assert.equal(await codeOf(() => run(name)), "ERR_MODULE_NOT_FOUND", name);
    }
  });

  test("is found with its ending in the value, in folders below, by + and by require", async () => {
    const imported = await load('export default (n) => import("./locales/" + n);', LOCALES);
    const defaultOf = async (name: string) => ((await imported(name)) as { default: unknown }).default;
    assert.equal(await defaultOf("en.js"), "hello");
    assert.equal(await defaultOf("de"), "hallo");
    assert.equal(await defaultOf("fr/ca.mjs"), "bonjour");
    assert.deepEqual(await defaultOf("names.json"), ["Ada"]);
    assert.equal(await codeOf(() => defaultOf("README.md")), "ERR_MODULE_NOT_FOUND");
    const required = await load('export default (n) => require("./locales/" + n).default;', LOCALES);
    assert.equal(required("en.js"), "hello");
    assert.equal(await codeOf(() => required("zz")), "MODULE_NOT_FOUND");
  });

  test("is looked for from the file that imports", async () => {
    const files = {
      ...LOCALES,
      "lib/find.ts": "export const find = (n: string) => import(`../locales/${n}.ts`);",
    };
    const run = await load(
      'import { find } from "./lib/find.ts"; export default async (n) => (await find(n)).default;',
      files,
    );
    assert.equal(await run("de"), "hallo");
  });

  test("a value that follows no slash stands for no folder", async () => {
    const files = { "a-1.ts": "export default 1", "a-x/2.ts": "export default missing from 'elsewhere'" };
    const run = await load('export default async (n) => (await import("./a-" + n)).default;', files);
    assert.equal(await run("1.ts"), 1);
    assert.equal(await codeOf(() => run("x/2.ts")), "ERR_MODULE_NOT_FOUND");
  });

  test("either of two names, enums and constants are known before", async () => {
    const chosen = await load(
      'export default async (n) => (await import(n === "en" ? "./locales/en.js" : `./locales/${n}.ts`)).default;',
      LOCALES,
    );
    assert.deepEqual([await chosen("en"), await chosen("de")], ["hello", "hallo"]);
    const enumerated = await load(
      'const enum Folder { Words = "./locales/" } export default async (n: string) => (await import(Folder.Words + n)).default;',
      LOCALES,
    );
    assert.equal(await enumerated("en.js"), "hello");
  });

  test("in a module that awaits at its top level", async () => {
    const run = await load(
      "await 1; export default async (n) => (await import(`./locales/${n}.js`)).default;",
      {
        ...LOCALES,
      },
    );
    assert.equal(await codeOf(() => run("es")), "ERR_MODULE_NOT_FOUND");
  });

  test("builds where it fits nothing, and rejects when it is run", async () => {
    for (const call of [
      'import("./" + n + ".js")',
      "import(`../../${n}`)",
      `import("${"../".repeat(600)}etc/pass" + n)`,
    ]) {
      const run = await load(`export default (n) => ${call};`);
      assert.equal(await codeOf(() => run("wd")), "ERR_MODULE_NOT_FOUND", call.slice(0, 40));
    }
  });
});

describe("a name of which nothing is known", () => {
  test("is a module of the sandbox or none, by import and by require", async () => {
    for (const [call, missing] of [
      ["import(n)", "MODULE_NOT_FOUND"],
      ["require(n)", "MODULE_NOT_FOUND"],
    ]) {
      const run = await load(`export default async (n) => (await ${call}).sep;`, LOCALES);
      assert.equal(await run("node:path"), "/");
      assert.equal(await codeOf(() => run("fsevents")), missing);
    }
    const relative = await load("export default (n) => import(n);", LOCALES);
    assert.equal(await codeOf(() => relative("./other.ts")), "ERR_MODULE_NOT_FOUND");
  });

  test("is evaluated within the promise, and once", async () => {
    const run = await load("export default (n) => import(n);");
    const rejected = run({ toString: () => assert.fail("no name") } as unknown as string) as Promise<unknown>;
    await assert.rejects(rejected, /no name/);
  });

  test("another's require is left alone, and so is what is no call", async () => {
    const run = await load(
      'export default (n) => ((require) => require("./" + n))((name) => `own ${name}`) + typeof require + typeof { require }.require;',
    );
    assert.equal(run("x"), "own ./xfunctionfunction");
  });
});

describe("nothing of the host's disk is touched or told", () => {
  const paths = ["etc/pass", "etc/zzzz", "zzz/pass", "proc/sel"].map((path) => "../".repeat(3_000) + path);
  for (const asked of ["import", "require"]) {
    test(`by ${asked}`, async () => {
      const codes: string[] = [];
      for (const path of paths) {
        for (const call of [
          `${asked}(\`${path}\${n}\`)`,
          `${asked}("${path}" + n)`,
          `${asked}(n ? "${path}" + n : n)`,
        ]) {
          const files = { "index.ts": `export default async (n) => { try { await ${call} } catch {} };` };
          const { code } = await buildRevision({ files, entry: "index.ts" });
          codes.push(code.replaceAll(path, "").replaceAll(/\$[0-9a-f]{5,6}/g, ""));
        }
      }
      assert.equal(new Set(codes).size, 3);
    });
  }

  test("however the call is written", async () => {
    const calls = [
      'import/* a */(/* b */"../" + n)',
      'import\n("../" + n)',
      'r\\u0065quire("../" + n)',
      'require?.("../" + n)',
      'const p = "../"; import(p + n)',
      'import("\\x2e./" + n)',
      'import("../" + n, { with: { type: "json" } })',
    ];
    for (const call of calls) {
      const filler = `export const filler = "${"x".repeat(1_100_000)}";`;
      for (const more of ["", filler]) {
        const { code } = await buildRevision({
          files: { "index.js": `export default (n) => { ${call} };\n${more}` },
          entry: "index.js",
        });
        assert.doesNotMatch(code, /globImport|globRequire/, call);
      }
    }
  });
});

describe("a source that computes imports", () => {
  const source = [
    "interface Given { name: string }",
    "",
    "export default async function find({ name }: Given) {",
    "  const found = await import(`./locales/${name}.js`); throw new Error(found.default);",
    "}",
  ];

  test("keeps its places in the source map, and its path", async () => {
    const files = { "src/index.ts": source.join("\n"), "src/locales/en.js": "export default 'hello';" };
    const { code, sourceMap } = await buildRevision({ files, entry: "src/index.ts" });
    const map = JSON.parse(sourceMap) as SourceMapPayload;
    assert.deepEqual([...map.sources].sort(), ["src/index.ts", "src/locales/en.js"]);
    const lines = code.split("\n");
    const line = lines.findIndex((text) => text.includes("new Error(found.default)"));
    const entry = new SourceMap(map).findEntry(line, lines[line]!.indexOf("new Error"));
    assert.ok("originalLine" in entry);
    assert.deepEqual(
      [entry.originalSource, entry.originalLine, entry.originalColumn],
      ["src/index.ts", 3, source[3]!.indexOf("new Error")],
    );
  });

  test("has its faults where they were written", async () => {
    const refusal = async (text: string) => {
      const files = { "index.ts": text };
      const error = await buildRevision({ files, entry: "index.ts" }).then(
        () => assert.fail("built"),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof BellhopError);
      return error.fields.map(({ file, line, column }) => [file, line, column]);
    };
    assert.deepEqual(
      await refusal([...source, 'type É = "é"; import axios from "axios"; axios();'].join("\n")),
      [["index.ts", 6, 33]],
    );
    assert.deepEqual(await refusal([...source, "const é = 1 x y;"].join("\n")), [["index.ts", 6, 13]]);
  });

  test("may be no module, and not strict", async () => {
    const wrapped = await load('import find from "./old.js"; export default find;', {
      ...LOCALES,
      "old.js": 'var eight = 010; module.exports = (n) => require("./locales/" + n).default + eight;',
    });
    assert.equal(wrapped("en.js"), "hello8");
  });

  test("is refused where it nests too deeply to be read", async () => {
    const nested = `export default (n) => [import("./" + n), ${"[".repeat(20_000)}${"]".repeat(20_000)}];`;
    await assert.rejects(buildRevision({ files: { "index.ts": nested }, entry: "index.ts" }), (error) => {
      assert.ok(error instanceof BellhopError);
      assert.equal(error.status, 422);
      assert.match(error.message, /cannot be found: Not enough stack/);
      return true;
    });
  });
});

test("files are looked for once, however often the same name is computed", async () => {
  const asked: unknown[] = [];
  const calls = Array.from(
    { length: 50 },
    (_, i) => `() => import("./a/" + n${i}), () => require("./b/" + n${i})`,
  );
  await rewriteComputedImports(`export default [${calls.join()}];`, {
    ...{ path: "index.ts", loader: "ts" },
    namesFor(pattern) {
      asked.push(pattern);
      return [];
    },
  });
  assert.deepEqual(asked, [
    ["./a/", undefined],
    ["./b/", undefined],
  ]);
});

test("the source map names no namespace of the compiler's", async () => {
  const files = { "index.ts": 'export default () => { try { require("fsevents") } catch {} };' };
  const { sourceMap } = await buildRevision({ files, entry: "index.ts" });
  assert.doesNotMatch(sourceMap, /bellhop/);
});
