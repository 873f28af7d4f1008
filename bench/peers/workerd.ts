/** workerd, which serves functions behind HTTP and records nothing of their calls. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../test/support/free-ports.ts";
import type { CalledFunction } from "./called-functions.ts";
import type { CountedSystem } from "./costs.ts";
import { untilListening } from "./job-systems.ts";
import { withRoots } from "./own-processes.ts";

export interface Workerd extends CountedSystem {
  origin: string;
}

export const COMPATIBILITY_DATE = "2026-11-01";
const ROUTER = "router";
/** Hands a request to the worker that its path names. */
const ROUTER_SOURCE = `export default { fetch(request, env) {
  return env[new URL(request.url).pathname.slice(1)].fetch(request);
} };`;

interface WorkerModule {
  name: string;
  source: string;
  bindings: string[];
}

/** With several functions a router is before them; a single one has every path. */
function chooseModules(functions: CalledFunction[]): WorkerModule[] {
  const modules = functions.map(({ name, fetchSource }) => ({ name, source: fetchSource, bindings: [] }));
  if (modules.length === 1) return modules;
  return [{ name: ROUTER, source: ROUTER_SOURCE, bindings: modules.map(({ name }) => name) }, ...modules];
}

function toConfig(modules: WorkerModule[], port: number): string {
  const services = modules.map(({ name, bindings }) => {
    const bound = bindings.map((each) => `(name = "${each}", service = "${each}")`).join(", ");
    return `(name = "${name}", worker = (
      modules = [(name = "index.js", esModule = embed "${name}.js")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      bindings = [${bound}],
    ))`;
  });
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${services.join(",\n")}],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "${modules[0]!.name}")],
);
`;
}

/** Its package names the program of this platform. */
export function findProgram(): string {
  const require = createRequire(import.meta.url);
  return (require("workerd") as { default: string }).default;
}

export async function openWorkerd(
  opened: AsyncDisposableStack,
  functions: CalledFunction[],
): Promise<Workerd> {
  const dir = await mkdtemp(join(tmpdir(), "bellhop-bench-workerd-"));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const modules = chooseModules(functions);
  for (const { name, source } of modules) await writeFile(join(dir, `${name}.js`), source);
  const [port] = (await freePorts(1)) as [number];
  await writeFile(join(dir, "config.capnp"), toConfig(modules, port));
  return await withRoots(async () => {
    // A group of its own: a Ctrl-C in the terminal is for this process, which ends it.
    const child = spawn(findProgram(), ["serve", join(dir, "config.capnp")], {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    const exited = once(child, "exit");
    opened.defer(async () => {
      child.kill("SIGTERM");
      await exited;
    });
    await untilListening(port);
    return { origin: `http://127.0.0.1:${port}` };
  });
}
