/** `deploy`: a file or a folder becomes a revision. */
import { basename, dirname, extname, relative, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Schemas } from "../../client/client.ts";
import { readSource, type Source } from "../bundle/source.ts";
import { checkTypesOf, NO_CHECK_OPTION } from "../checking-types.ts";
import { type Arguments, addExamples, collect, withSession } from "../command.ts";
import { type DeployOptions, type DeployPlan, deploy, isUnchanged, planDeploy } from "../deploying.ts";
import { usageFailure } from "../failure.ts";
import { findFunctionUrl } from "../function-url.ts";
import { toWholeNumber } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { giveShare } from "../shares.ts";
import { describeField } from "../show-plan.ts";
import { shown } from "../shown.ts";
import { formatBytes } from "../terminal/time.ts";

/** Further back nobody compares. */
const LOOKED_AT_REVISIONS = 10;

interface Options {
  name?: string;
  tag?: string;
  traffic?: number;
  env?: string[];
  limit?: string[];
  public?: boolean;
  private?: boolean;
  reuse: boolean;
  check: boolean;
  dryRun?: boolean;
}

export function addDeploy(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("deploy <path>")
      .description(
        "deploy a file or a folder as a function, or as its next revision; npm packages are bundled",
      )
      .option("--name <function>", "its name; default: that of the file or the folder")
      .option("--tag <tag>", "give the revision a tag")
      .option("--traffic <percent>", "its share of the traffic; default: 100", (text) =>
        toWholeNumber(text, 0, 100),
      )
      .option(
        "--env <NAME=value>",
        "a setting for ctx.env, may be repeated; replaces the existing settings",
        collect,
      )
      .option("--limit <name=number>", "such as memoryMb=256, may be repeated", collect)
      .option("--public", "its URL needs no key")
      .option("--private", "its URL needs a key")
      .option("--no-reuse", "a separate isolate for each run")
      .option(...NO_CHECK_OPTION)
      .option("--dry-run", "show what would change, and change nothing")
      .action(withSession<Options>(cli, deployPath)),
    "deploy hello.ts",
    "deploy ./shop --name shop --public --env CURRENCY=EUR",
    "deploy hello.ts --tag next --traffic 0",
    "deploy hello.ts --traffic 10",
  );
}

async function deployPath(session: Session, [path]: Arguments, options: Options): Promise<void> {
  const { cwd, out } = session;
  const full = resolve(cwd, path!);
  const name = options.name ?? nameOf(full);
  const source = await readSource(full);
  for (const warning of source.warnings) out.note(out.noteStyle.yellow(warning));
  if (options.check) await checkTypesOf(session, source);
  const wanted = toDeployOptions(options);
  if (options.dryRun === true) {
    const plan = await planDeploy(session, name, source, wanted);
    out.answer({ dryRun: true, ...plan, ...sizeOf(source) }, () => showPlan(session, plan, source));
    return;
  }
  const { traffic } = options;
  const isSplit = traffic !== undefined && traffic > 0 && traffic < 100;
  const upload = {
    ...wanted,
    ...(traffic === undefined ? {} : ({ traffic: isSplit || traffic === 0 ? 0 : 100 } as const)),
  };
  let made = await deploy(session, name, source, upload);
  if (isSplit) made = await splitTraffic(session, made, traffic);
  const coldStart = await findColdStart(session, made);
  const url = made.public && !out.json ? await findFunctionUrl(session, made.name) : undefined;
  out.answer({ ...made, ...sizeOf(source), coldStart: coldStart ?? null }, () =>
    showDeployed(session, { made, source, path: relative(cwd, full) || ".", url, coldStart }),
  );
}

interface ColdStart {
  revision: number;
  ms: number;
}

/** Of this revision, where it ran before, or of the latest one before it that did; undefined: none has, or the key may not look. */
async function findColdStart(
  { client }: Session,
  { name, deployed }: Schemas["DeployedFunction"],
): Promise<ColdStart | undefined> {
  const params = { path: { name }, query: { limit: LOOKED_AT_REVISIONS } };
  const { data } = await client.GET("/v1/functions/{name}/revisions", { params });
  const found = data?.items.find(
    ({ number, coldStartMs }) => number <= deployed.number && coldStartMs !== null,
  );
  return found && { revision: found.number, ms: found.coldStartMs! };
}

function describeColdStart({ deployed }: Schemas["DeployedFunction"], known: ColdStart | undefined): string {
  const told = known && `${known.ms.toFixed(1)} ms`;
  if (known?.revision === deployed.number) return told!;
  return `known after its first run${known ? `; revision ${known.revision} took ${told}` : ""}`;
}

async function splitTraffic(
  { client }: Session,
  made: Schemas["DeployedFunction"],
  percent: number,
): Promise<Schemas["DeployedFunction"]> {
  const { name, traffic, deployed } = made;
  const body = giveShare(traffic, deployed.id, percent);
  const split = await shown(client.PUT("/v1/functions/{name}/traffic", { params: { path: { name } }, body }));
  return { ...split, deployed };
}

/** `hello` of hello.ts; of index.ts and the like the folder's. */
export function nameOf(path: string): string {
  const file = basename(path, extname(path));
  const name = /^(index|main|worker)$/.test(file) ? basename(dirname(path)) : file;
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^[^a-z]+|-+$/g, "") || "function"
  );
}

export function toDeployOptions({
  env,
  limit,
  tag,
  reuse,
  ...options
}: Omit<Options, "check" | "dryRun">): DeployOptions {
  if (options.public && options.private) throw usageFailure("--public and --private exclude each other.");
  const isPublic = options.public ? true : options.private ? false : undefined;
  return {
    ...{ tag, public: isPublic },
    env: env && Object.fromEntries(env.map((pair) => splitPair(pair, "--env"))),
    limits: limit && Object.fromEntries(limit.map((pair) => toLimitPair(pair))),
    ...(reuse ? {} : { reuse: false }),
  };
}

export function splitPair(pair: string, option: string): [name: string, value: string] {
  const at = pair.indexOf("=");
  if (at < 1) throw usageFailure(`${option} takes NAME=value, not ${JSON.stringify(pair)}.`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function toLimitPair(pair: string): [name: string, value: number] {
  const [name, value] = splitPair(pair, "--limit");
  try {
    return [name, toWholeNumber(value, 0, Number.MAX_SAFE_INTEGER)];
  } catch (error) {
    if (error instanceof InvalidArgumentError)
      throw usageFailure(`--limit ${name}: a limit is a whole number.`);
    throw error;
  }
}

const sizeOf = ({ builtBytes, packages, files }: Source) => ({
  ...{ builtBytes: builtBytes ?? null, packages, uploaded: Object.keys(files) },
});

function describeSize({ builtBytes, packages, files }: Source): string {
  const count = Object.keys(files).length;
  const parts = [
    count === 1 ? "1 file" : `${count} files`,
    ...(builtBytes === undefined ? [] : [`${formatBytes(builtBytes)} built`]),
    ...(packages.length === 0 ? [] : [`with ${packages.join(", ")}`]),
  ];
  return parts.join(", ");
}

function showPlan({ out }: Session, plan: DeployPlan, source: Source): void {
  const { green, red, yellow, dim } = out.style;
  const paint = { added: green, changed: yellow, removed: red };
  const sign = { added: "+", changed: "~", removed: "-" };
  out.line(
    plan.revision === null
      ? `${plan.function} is new.`
      : `${plan.function}, against revision ${plan.revision}:`,
  );
  for (const { path, change } of plan.files) out.line(paint[change](`  ${sign[change]} ${path}`));
  for (const name of plan.env) out.line(yellow(`  ~ env ${name}`));
  for (const name of plan.limits) out.line(yellow(`  ~ limit ${name}`));
  for (const each of plan.diff) out.line(yellow(`  ~ ${describeField(each)}`));
  if (isUnchanged(plan)) out.line("  nothing changes");
  out.line(dim(`${describeSize(source)}. A dry run: nothing was deployed.`));
}

interface Shown {
  made: Schemas["DeployedFunction"];
  source: Source;
  path: string;
  url: string | undefined;
  coldStart: ColdStart | undefined;
}

function showDeployed({ out }: Session, { made, source, path, url, coldStart }: Shown): void {
  const { name, deployed, traffic } = made;
  const share = traffic[deployed.id] ?? 0;
  out.line(out.style.green(`${name} revision ${deployed.number}, ${share} % of the traffic`));
  out.facts([
    ["from", `${path} (${describeSize(source)})`],
    ["cold start", describeColdStart(made, coldStart)],
    ["tags", tagsOf(made).join(", ")],
    ["url", url],
  ]);
  out.note(
    out.noteStyle.dim(
      share > 0
        ? `Try it: bellhop invoke ${name}`
        : `It waits: bellhop traffic set ${name} ${deployed.number}=100`,
    ),
  );
}

function tagsOf({ tags, deployed }: Schemas["DeployedFunction"]): string[] {
  return Object.entries(tags).flatMap(([tag, id]) => (id === deployed.id ? [tag] : []));
}
