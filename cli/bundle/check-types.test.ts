import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkTypes, readErrors } from "./check-types.ts";
import { readSource } from "./source.ts";

const TYPESCRIPT = dirname(fileURLToPath(import.meta.resolve("typescript/package.json")));
const CONFIG = JSON.stringify({
  compilerOptions: { strict: true, lib: ["es5"], types: [], skipLibCheck: true },
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellhop-types-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}
async function installTypeScript(): Promise<void> {
  await mkdir(join(folder, "node_modules"), { recursive: true });
  await symlink(TYPESCRIPT, join(folder, "node_modules/typescript"));
}
const check = async (path: string) => await checkTypes(await readSource(join(folder, path)));

test("type errors are told with their lines, of what is deployed and nothing else", async () => {
  await installTypeScript();
  await write({
    "tsconfig.json": CONFIG,
    "fn/index.ts": 'import { n } from "./lib/n";\nexport default (): number => n;',
    "fn/lib/n.ts": 'export const n = 1;\n  const wrong: number = "x";',
    "other/index.ts": "export default (): number => 1;",
  });
  await assert.rejects(
    check("fn"),
    ({ code, details, hint }: { code: string; details: string[]; hint: string }) => {
      assert.equal(code, "type_errors");
      assert.match(
        details[0]!,
        /^lib\/n\.ts:2:9: Type 'string' is not assignable to type 'number'\. \(TS2322\)$/,
      );
      assert.deepEqual(details.slice(1), ['    const wrong: number = "x";', `  ${" ".repeat(8)}^`]);
      assert.match(hint, /--no-check/);
      return true;
    },
  );
  assert.equal(await check("other"), undefined);
});

test("a project without TypeScript or a tsconfig.json is not checked; a broken one is a warning", async () => {
  await write({ "fn/index.ts": 'export default (): number => "x";' });
  assert.equal(await check("fn"), undefined);
  await installTypeScript();
  assert.equal(await check("fn"), undefined);
  await write({ "fn/tsconfig.json": '{"files": ["gone.ts"]}' });
  assert.match((await check("fn"))!, /^Types were not checked: error TS6053: File .*gone\.ts/);
});

test("the compiler's lines are read with their places; what is indented belongs to the line above", () => {
  const output = "a (1)/b.ts(3,7): error TS2322: Not so.\n  Because of (x).\nerror TS18003: No inputs.\n";
  assert.deepEqual(readErrors(output, "/p"), [
    { file: "/p/a (1)/b.ts", line: 3, column: 7, message: "Not so. (TS2322)" },
  ]);
});
