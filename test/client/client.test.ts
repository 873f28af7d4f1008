/** The package `bellhop`, as others install it: packed, installed into an empty project, compiled there, and used. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createHttpSink } from "../support/http-sink.ts";
import { startCluster } from "../system/cluster.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const PROJECT = { name: "somebody", version: "1.0.0", private: true, type: "module" };
const COMPILER = { target: "es2022", lib: ["es2022", "dom"], types: [], strict: true, noEmit: true };

const METHODS = new Set(["get", "put", "post", "patch", "delete", "options"]);

let project: string;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "bellhop-client-"));
  await run(process.execPath, [join(ROOT, "client", "build.ts")]);
  // Its dependencies are packed from here too: nothing is asked of a registry.
  const packed = ["client", "node_modules/openapi-fetch", "node_modules/openapi-typescript-helpers"];
  for (const folder of packed)
    await run("npm", [
      "pack",
      "--silent",
      "--ignore-scripts",
      "--pack-destination",
      project,
      join(ROOT, folder),
    ]);
  await writeFile(join(project, "package.json"), JSON.stringify(PROJECT));
  const files = (await readdir(project)).filter((name) => name.endsWith(".tgz"));
  assert.equal(files.length, packed.length);
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", ...files], { cwd: project });
  await cp(join(ROOT, "test", "client", "project"), project, { recursive: true });
});
// Without a test of this file `before` is not called, and this is.
after(() => project && rm(project, { recursive: true, force: true }));

for (const resolution of ["nodenext", "bundler"] as const)
  test(`an author's and a caller's code compile with it, resolved as ${resolution}`, async () => {
    const module = resolution === "bundler" ? "esnext" : "nodenext";
    const compilerOptions = {
      ...{ ...COMPILER, module, moduleResolution: resolution, types: ["./globals.d.ts"] },
      allowImportingTsExtensions: true,
    };
    const file = join(project, `tsconfig.${resolution}.json`);
    await writeFile(
      file,
      JSON.stringify({ compilerOptions, files: ["author.ts", "client-alone.ts", "errands.ts"] }),
    );
    const { stdout } = await run(process.execPath, [TSC, "-p", file]).catch((error) => error);
    assert.equal(stdout, "");
  });

/** Of projects whose modules are CommonJS; `node10` is how older compilers resolve, without a package's `exports`. */
const COMMONJS = {
  node16: { module: "node16", moduleResolution: "node16" },
  node10: { module: "commonjs", moduleResolution: "node10", ignoreDeprecations: "6.0" },
};

for (const [resolution, options] of Object.entries(COMMONJS))
  test(`code of a CommonJS project compiles with it and runs, resolved as ${resolution}`, async () => {
    const folder = join(project, resolution);
    await cp(join(ROOT, "test", "client", "project"), folder, { recursive: true });
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "commonjs" }));
    const outDir = join(folder, "out");
    const compilerOptions = {
      ...{ ...COMPILER, ...options, noEmit: false, outDir, rootDir: folder, esModuleInterop: true },
      types: ["./globals.d.ts"],
    };
    const file = join(folder, "tsconfig.json");
    await writeFile(file, JSON.stringify({ compilerOptions, files: ["author.ts", "client-alone.ts"] }));
    const { stdout } = await run(process.execPath, [TSC, "-p", file]).catch((error) => error);
    assert.equal(stdout, "");
    await run(process.execPath, [join(outDir, "client-alone.js")]);
  });

test("its client says what it is given, and what it was answered", async () => {
  await run(process.execPath, ["client-alone.ts"], { cwd: project });
});

test("it has the licence, and the version of the API", async () => {
  const folder = join(project, "node_modules", "bellhop");
  const read = async (...path: string[]) => await readFile(join(...path), "utf8");
  assert.equal(await read(folder, "LICENSE"), await read(ROOT, "LICENSE"));
  const [packed, api] = [await read(folder, "package.json"), await read(ROOT, "package.json")];
  assert.equal(JSON.parse(packed).version, JSON.parse(api).version);
});

/** Operations that no errand of docs/api.md needs a client for, or that want another set-up. */
const LEFT_OUT = [
  // For browsers.
  ...["GET /", "GET /console", "GET /console/{view}", "GET /console/assets/{file}"],
  ...["GET /docs", "GET /docs/errors", "GET /docs/page.css", "GET /docs/page.js"],
  ...["POST /console/sign-in", "POST /console/oidc/begin", "POST /console/oidc/finish"],
  // Of an installation with a clock for tests, and of what an application has enqueued in SQL.
  ...["GET /v1/clock", "POST /v1/clock/advance", "DELETE /v1/invalid-tasks/{id}"],
];

test("it does the errands of docs/api.md, by every operation of the document", async () => {
  let completeUrl = "";
  const sink = await createHttpSink(({ url, headers }) => {
    if (url === "/complete-url") return { body: completeUrl };
    if (url !== "/later") return {};
    completeUrl = String(headers["bellhop-complete-url"]);
    return { status: 202, headers: { "bellhop-complete": "later" } };
  });
  const cluster = await startCluster({
    ...{ schedulers: 1, workers: 1 },
    env: {
      ...{ BELLHOP_SECRETS_KEY: Buffer.alloc(32, 7).toString("base64"), EMAIL_CAPTURE: "true" },
      BELLHOP_PUBLIC_URL: "http://bellhop.test",
    },
  });
  try {
    const env = { PATH: process.env["PATH"], BASE: cluster.api.url, KEY: cluster.api.key, SINK: sink.url };
    const { stdout } = await run(process.execPath, ["errands.ts"], { cwd: project, env });
    const done = Array.from(stdout.matchAll(/^done: (.*)$/gm), ([, operation]) => operation!);
    const { paths } = await cluster.api.call<{ paths: Record<string, object> }>("GET", "/openapi.json");
    const operations = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).flatMap((method) => (METHODS.has(method) ? [`${method.toUpperCase()} ${path}`] : [])),
    );
    assert.deepEqual(operations.filter((each) => !done.includes(each)).sort(), LEFT_OUT.sort());
  } finally {
    await cluster.stop();
    await sink.close();
  }
});
