/** One case in workerd, with the compatibility flag for Node: what it answers, or why it does not. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { untilListening } from "../../bench/peers/job-systems.ts";
import { COMPATIBILITY_DATE, findProgram } from "../../bench/peers/workerd.ts";
import { messageOf } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { freePorts } from "../support/free-ports.ts";
import { bundleCase } from "./bundle-case.ts";
import { APP_URL, APP_WORD, type LibraryCase } from "./cases.ts";
import { untilAnswered } from "./until-answered.ts";

/** Calls a plain function as Bellhop does. */
const CALLER = `import run from "./case.js";
export default { async fetch(request, env) {
  try { return Response.json((await run(null, { env })) ?? null); }
  catch (error) { return new Response(String(error), { status: 500 }); }
} };`;

const BUILTINS = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));

/** workerd takes Node's modules by `import` and with their prefix alone; bundlers for it see to that. */
const nodeModules: Plugin = {
  name: "node-modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
      if (!BUILTINS.has(path)) return undefined;
      const name = path.replace(/^(?:node:)?/, "node:");
      return kind === "require-call" ? { path: name, namespace: "required" } : { path: name, external: true };
    });
    onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({
      contents: `import all from "${path}"; module.exports = all;`,
      resolveDir: import.meta.dirname,
    }));
  },
};

function toConfig(code: string, isApp: boolean, port: number): string {
  const modules = [
    ...(isApp ? [] : ['(name = "caller.js", esModule = embed "caller.js")']),
    '(name = "case.js", esModule = embed "case.js")',
  ];
  const isServiceWorker = /^addEventListener\("fetch"/m.test(code);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "case", worker = (
    ${isServiceWorker ? 'serviceWorkerScript = embed "case.js"' : `modules = [${modules.join(", ")}]`},
    compatibilityDate = "${COMPATIBILITY_DATE}",
    compatibilityFlags = ["nodejs_compat"],
    bindings = [(name = "WORD", text = "${APP_WORD}")],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "case")],
);
`;
}

export type Told = { answer: Json } | { failure: string };

export async function runInWorkerd({ source }: LibraryCase, isApp: boolean): Promise<Told> {
  const code = await bundleCase(source, [nodeModules]);
  await using opened = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "bellhop-workerd-case-"));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const [port] = (await freePorts(1)) as [number];
  await writeFile(join(dir, "case.js"), code);
  await writeFile(join(dir, "caller.js"), CALLER);
  await writeFile(join(dir, "config.capnp"), toConfig(code, isApp, port));
  const child = spawn(findProgram(), ["serve", join(dir, "config.capnp")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    words += chunk;
  });
  const exited = once(child, "exit");
  opened.defer(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  const isUp = await Promise.race([untilListening(port).then(() => true), exited.then(() => false)]);
  if (!isUp) return { failure: firstLine(words) };
  const { pathname, search } = new URL(APP_URL);
  const ask = async () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("workerd has ended");
    const response = await fetch(`http://127.0.0.1:${port}${pathname}${search}`);
    return { ok: response.ok, status: response.status, text: await response.text() };
  };
  try {
    const { ok, status, text } = await untilAnswered(ask);
    if (isApp) return { answer: [status, text] };
    return ok ? { answer: JSON.parse(text) as Json } : { failure: firstLine(text || words) };
  } catch (error) {
    return { failure: firstLine(words || messageOf(error)) };
  }
}

const firstLine = (text: string) => /[^\n]+/.exec(text)?.[0].slice(0, 200) ?? "it said nothing";
