/** The difference that `apply` shows. */
import { isEmpty, type Plan } from "./apply-plan.ts";
import { isUnchanged } from "./deploying.ts";
import type { Output } from "./terminal/output.ts";
import { printableLine } from "./terminal/printable.ts";

type Field = { field: string; from?: unknown; to?: unknown };

export function showApplyPlan(out: Output, plan: Plan): void {
  const { green, yellow, red, dim } = out.style;
  const signs = { created: green("+"), updated: yellow("~"), pruned: red("-"), unchanged: dim(" ") };
  const head = (change: keyof typeof signs, what: string) => {
    if (change !== "unchanged") out.line(`${signs[change]} ${what}`);
  };
  const fields = (diff: readonly Field[]) => {
    for (const each of diff) out.line(dim(`    ${describeField(each)}`));
  };
  for (const { queue, change, diff } of plan.queues) {
    head(change, `queue ${queue}`);
    fields(diff);
  }
  for (const each of plan.functions) {
    if (isUnchanged(each)) continue;
    head(each.revision === null ? "created" : "updated", `function ${each.function}`);
    for (const { path, change } of each.files) out.line(dim(`    ${path} ${change}`));
    for (const name of each.env) out.line(dim(`    env ${name} changed`));
    for (const name of each.limits) out.line(dim(`    limit ${name} changed`));
    fields(each.diff);
  }
  for (const { key, change, diff } of plan.tasks) {
    head(change, `task ${key}`);
    if (change !== "created") fields(diff);
  }
  for (const key of plan.unchecked) {
    head("created", `task ${key}`);
    out.line(dim("    checked when what it needs is there"));
  }
  for (const { name, function: fn } of plan.missingSecrets)
    out.line(red(`! secret ${name}${fn === null ? "" : ` of ${fn}`} is not set`));
  if (isEmpty(plan)) out.line("Nothing changes.");
}

export function describeField({ field, from, to }: Field): string {
  return `${field}: ${describeValue(from)} → ${describeValue(to)}`;
}

const describeValue = (value: unknown) =>
  value === undefined ? "none" : printableLine(JSON.stringify(value));
