/** What `init` writes: a function with types, a test, and a schedule. */

/** @param authorTypes what `import type … from "bellhop"` means */
export function projectFiles(name: string, authorTypes: string): Record<string, string> {
  return {
    [`${name}.ts`]: `/** Called by the task in bellhop.yaml, by \`bellhop invoke ${name}\`, or by whoever has a key. */
import type { Context } from "bellhop";

interface Input {
  name?: string;
}

export default async function greet(input: Input | null, ctx: Pick<Context, "log">) {
  const name = input?.name ?? "world";
  ctx.log.info("greeting", { name });
  return { hello: name };
}
`,
    [`${name}.test.ts`]: `import assert from "node:assert/strict";
import { test } from "node:test";
import greet from "./${name}.ts";

test("greets by name, and logs whom", async () => {
  const lines: unknown[] = [];
  const log = { debug() {}, warn() {}, error() {}, info: (...line: unknown[]) => void lines.push(line) };
  assert.deepEqual(await greet({ name: "Ada" }, { log }), { hello: "Ada" });
  assert.deepEqual(lines, [["greeting", { name: "Ada" }]]);
});
`,
    "bellhop.yaml": `# bellhop apply makes the namespace what this says; bellhop apply --dry-run shows what would change.
app: ${name}

functions:
  ${name}:
    source: ./${name}.ts

tasks:
  ${name}:weekdays:
    name: greets on weekdays
    type: function
    function: ${name}
    input: { name: Ada }
    schedule: { cron: "0 9 * * 1-5", timezone: Europe/Rome }
`,
    "package.json": toJson({
      ...{ name, private: true, type: "module" },
      scripts: {
        check: "tsc",
        test: `esbuild ${name}.test.ts --bundle --platform=node --format=esm --outdir=.test --log-level=warning && node --test .test/*.js`,
      },
      devDependencies: { esbuild: "^0.28.0", typescript: "^6.0.0" },
    }),
    "tsconfig.json": toJson({
      compilerOptions: {
        ...{ target: "es2024", lib: ["es2024", "dom", "dom.iterable"], module: "nodenext", strict: true },
        ...{ noEmit: true, allowImportingTsExtensions: true, verbatimModuleSyntax: true, types: [] },
        paths: { bellhop: ["./bellhop.d.ts"] },
      },
      exclude: ["**/*.test.ts"],
    }),
    "bellhop.d.ts": authorTypes,
    ".gitignore": "node_modules/\n.test/\n",
  };
}

const toJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
