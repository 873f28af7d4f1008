/** `doctor`: looks at what has to be right for the other commands, and says what to do. */
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { loadEsbuild } from "../bundle/load-esbuild.ts";
import { addExamples, type GlobalOptions, withOutput } from "../command.ts";
import { Failure, Interrupted, toFailure } from "../failure.ts";
import { profilesPath, readProfiles } from "../profiles.ts";
import { type Cli, createFetch, openSession, type Session } from "../session.ts";
import { chooseTarget, isReadableOnTheWay, type Target } from "../target.ts";
import type { Output } from "../terminal/output.ts";
import { printableLine } from "../terminal/printable.ts";

interface Check {
  check: string;
  state: "ok" | "warning" | "failed";
  message: string;
}

/** The first one whose AbortSignal has `any`. */
const LEAST_NODE = [20, 3] as const;
/** Schedules go by the database's clock; a terminal that is off shows wrong waits. */
const MOST_SKEW_MS = 5000;

export function addDoctor(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("doctor")
      .description("check this machine, the connection, the key and the workers")
      .action(withOutput<object>(cli, (out, _args, options) => doctor(cli, out, options))),
    "doctor",
  );
}

async function doctor(cli: Cli, out: Output, options: GlobalOptions): Promise<void> {
  const checks: Check[] = [
    checkNode(process.versions.node),
    await checkProfiles(cli),
    await checkBundler(cli),
  ];
  const target = await findTarget(cli, options);
  if ("state" in target) checks.push(target);
  else checks.push(...(await checkApi(cli, out, target)));
  const failed = checks.filter(({ state }) => state === "failed").length;
  out.answer({ checks }, () => {
    const { green, yellow, red } = out.style;
    const marks = { ok: green("ok     "), warning: yellow("warning"), failed: red("failed ") };
    for (const { check, state, message } of checks)
      out.line(`${marks[state]}  ${check}: ${printableLine(message)}`);
  });
  if (failed > 0) throw new Failure(`${failed} of ${checks.length} checks failed.`, { code: "unhealthy" });
}

/** @param version as `20.3.0` */
export function checkNode(version: string): Check {
  const [major, minor] = version.split(".").map(Number) as [number, number];
  const [leastMajor, leastMinor] = LEAST_NODE;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor))
    return { check: "node", state: "ok", message: `v${version}` };
  const message = `v${version}; Node ${LEAST_NODE.join(".")} or later is needed`;
  return { check: "node", state: "failed", message };
}

async function checkProfiles({ env }: Cli): Promise<Check> {
  const path = profilesPath(env);
  const found = await stat(path).catch(() => undefined);
  if (!found) return { check: "profiles", state: "ok", message: "none yet" };
  if ((found.mode & 0o077) === 0) return { check: "profiles", state: "ok", message: path };
  return {
    check: "profiles",
    state: "failed",
    message: `others can read ${path}: chmod 600 it, and rotate its keys`,
  };
}

async function checkBundler({ cwd }: Cli): Promise<Check> {
  const esbuild = await loadEsbuild(cwd);
  if (esbuild) return { check: "esbuild", state: "ok", message: esbuild.version };
  const message = "not installed: npm packages are not bundled (npm install --save-dev esbuild)";
  return { check: "esbuild", state: "warning", message };
}

async function findTarget(cli: Cli, options: GlobalOptions): Promise<Target | Check> {
  try {
    return chooseTarget(options, cli.env, await readProfiles(cli.env));
  } catch (error) {
    const { message, hint } = toFailure(error);
    return { check: "sign-in", state: "failed", message: [message, hint].filter(Boolean).join(" ") };
  }
}

async function checkApi(cli: Cli, out: Output, target: Target): Promise<Check[]> {
  const { url } = target;
  const send = createFetch(cli, url);
  let ready: Response;
  try {
    ready = await send(new Request(`${url}/readyz`));
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    return [
      {
        check: "api",
        state: "failed",
        message: `${toFailure(error).message} Start it, or sign in elsewhere: bellhop login`,
      },
    ];
  }
  const session = openSession(cli, target, out);
  return [
    describeReadiness(url, ready, (await ready.json().catch(() => ({}))) as Partial<Schemas["Readiness"]>),
    ...(isReadableOnTheWay(url)
      ? [{ check: "encryption", state: "warning", message: `${url} is not encrypted` } as const]
      : []),
    describeClock(ready, cli.now()),
    await checkVersion(session, url),
    ...(await checkKey(session)),
  ];
}

function describeReadiness(
  url: string,
  { status }: Response,
  { checks = {} }: Partial<Schemas["Readiness"]>,
): Check {
  if (status === 200) return { check: "api", state: "ok", message: url };
  const wrong = Object.entries(checks).filter(([, state]) => state !== "ok");
  const message =
    wrong.map(([part, state]) => `${part}: ${JSON.stringify(state)}`).join(", ") || `status ${status}`;
  return { check: "api", state: "failed", message: `${url} is not ready (${message})` };
}

function describeClock(response: Response, now: number): Check {
  const skewMs = now - Date.parse(response.headers.get("date") ?? "");
  if (!(Math.abs(skewMs) > MOST_SKEW_MS))
    return { check: "clock", state: "ok", message: "agrees with the API's" };
  const message = `this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? "ahead of" : "behind"} the API`;
  return { check: "clock", state: "warning", message };
}

async function checkVersion(session: Session, url: string): Promise<Check> {
  const response = await createFetch(session, url)(new Request(`${url}/openapi.json`));
  const { info } = (await response.json().catch(() => ({}))) as { info?: { version?: string } };
  const version = info?.version;
  if (version === session.version) return { check: "version", state: "ok", message: version };
  return {
    check: "version",
    state: "warning",
    message: `the API is ${version ?? "unknown"}, this program ${session.version}`,
  };
}

async function checkKey({ client }: Session): Promise<Check[]> {
  try {
    const { namespace, key, scopes } = await unwrap(client.GET("/v1/whoami"));
    const message = `${key.name} in ${namespace}: ${scopes.join(", ")}`;
    const checks: Check[] = [{ check: "key", state: "ok", message }];
    if (scopes.includes("operator")) checks.push(await checkWorkers(client));
    return checks;
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    const { message, hint } = toFailure(error);
    return [{ check: "key", state: "failed", message: [message, hint].filter(Boolean).join(" ") }];
  }
}

async function checkWorkers(client: Session["client"]): Promise<Check> {
  const { items } = await unwrap(client.GET("/v1/workers"));
  const free = items.reduce((sum, worker) => sum + worker.free, 0);
  if (items.length === 0)
    return {
      check: "workers",
      state: "ok",
      message: "none: if an autoscaler is running, one starts with the next run",
    };
  if (free > 0) return { check: "workers", state: "ok", message: `${items.length}, with ${free} free slots` };
  return { check: "workers", state: "warning", message: `${items.length}, and no free slot: runs wait` };
}
