/** `apply`: makes a namespace what a file says, after showing what that changes. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { applyTasks, isEmpty, type Plan, planApply, type TaskChange } from "../apply-plan.ts";
import { checkTypesOf, NO_CHECK_OPTION } from "../checking-types.ts";
import { type Arguments, addExamples, type GlobalOptions, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { deploy, isUnchanged } from "../deploying.ts";
import { Failure, usageFailure } from "../failure.ts";
import { type Manifest, parseManifest } from "../manifest.ts";
import type { Cli, Session } from "../session.ts";
import { showApplyPlan } from "../show-plan.ts";

interface Options extends GlobalOptions {
  file: string;
  prune?: boolean;
  check: boolean;
  dryRun?: boolean;
  yes?: boolean;
}

export function addApply(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("apply")
      .description("apply functions, queues and tasks from a file; shows the changes and asks")
      .option("-f, --file <path>", "the file", "bellhop.yaml")
      .option("--prune", "remove tasks of the same app that the file no longer names")
      .option(...NO_CHECK_OPTION)
      .option("--dry-run", "show what would change, and change nothing")
      .option(...YES_OPTION)
      .action(withSession<Options>(cli, apply)),
    "apply --dry-run",
    "apply -f bellhop.yaml --prune --yes",
  );
}

async function apply(session: Session, _: Arguments, options: Options): Promise<void> {
  const { out } = session;
  const manifest = await readManifest(session, options.file);
  const prune = options.prune === true;
  const plan = await planApply(session, manifest, prune);
  if (!out.json) showApplyPlan(out, plan);
  if (options.dryRun) return out.answer({ dryRun: true, ...toJson(plan) }, () => {});
  demandSecrets(plan);
  if (isEmpty(plan)) return out.answer({ dryRun: false, ...toJson(plan) }, () => {});
  if (options.check)
    for (const each of plan.functions) if (!isUnchanged(each)) await checkTypesOf(session, each.source);
  await confirmOrFail(session, "Make these changes?", options);
  const tasks = await carryOut(session, manifest, plan, prune);
  out.answer({ dryRun: false, ...toJson({ ...plan, tasks, unchecked: [] }) }, () =>
    out.line(out.style.green("Applied.")),
  );
}

async function readManifest({ cwd }: Session, file: string): Promise<Manifest> {
  const path = resolve(cwd, file);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw usageFailure(`${file} cannot be read (${error.code}).`, "bellhop init creates one.");
  });
  return parseManifest(text, path);
}

/** Values are never in the file: somebody sets them. */
function demandSecrets({ missingSecrets }: Plan): void {
  if (missingSecrets.length === 0) return;
  throw new Failure("Secrets are missing. Nothing was changed.", {
    code: "secrets_missing",
    details: missingSecrets.map(
      ({ name, function: fn }) => `bellhop secrets set ${name}${fn === null ? "" : ` --function ${fn}`}`,
    ),
    hint: "Set them, and apply again.",
  });
}

/** What others need comes first: queues, functions, then the tasks, all or none of them. */
async function carryOut(
  session: Session,
  manifest: Manifest,
  plan: Plan,
  prune: boolean,
): Promise<TaskChange[]> {
  for (const { queue, change } of plan.queues) {
    if (change === "unchanged") continue;
    const params = { path: { name: queue } };
    await unwrap(session.client.PUT("/v1/queues/{name}", { params, body: manifest.queues[queue] as never }));
  }
  for (const each of plan.functions)
    if (!isUnchanged(each)) await deploy(session, each.function, each.source, each.options);
  return await applyTasks(session, manifest, manifest.tasks, { prune, dryRun: false });
}

function toJson({ functions, ...plan }: Plan): object {
  return { ...plan, functions: functions.map(({ source: _, options: __, ...shown }) => shown) };
}
