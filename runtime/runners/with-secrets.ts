/**
 * Puts the secrets into what an attempt sends (`{{secrets.NAME}}`), and takes them out of what it says. A run whose task
 * names none passes by.
 */
import type { Clock } from "../../core/clock.ts";
import { findHeaderFault } from "../../core/contracts/task-spec.ts";
import { type AttemptOutcome, failed } from "../../core/domain/attempt.ts";
import { TemplateFault } from "../../core/domain/secret-templates.ts";
import { fillSecrets } from "../../core/domain/secrets-in-spec.ts";
import type { SecretField, TaskSpec } from "../../core/domain/task-spec.ts";
import { createRedactor } from "../../core/secrets/redact.ts";
import { redactOutcome } from "../../core/secrets/redact-outcome.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { loadInTime, toSecretsFailure } from "./load-in-time.ts";
import type { NamespaceSecrets } from "./namespace-secrets.ts";
import type { AttemptContext, FilledSecrets, TaskRunner } from "./task-runner.ts";

export function withSecrets(
  runner: TaskRunner,
  findSecrets: NamespaceSecrets["find"],
  clock: Clock,
): TaskRunner {
  async function runFilled(
    run: ClaimedRun,
    context: AttemptContext,
    fields: readonly SecretField[],
  ): Promise<AttemptOutcome> {
    const filled = await fillInTime(run, fields, findSecrets, context, clock);
    if ("kind" in filled) return filled;
    const { redactor } = filled.secrets;
    const log: AttemptContext["log"] = (level, message, said, at) =>
      context.log(level, redactor.text(message), said && redactor.value(said), at);
    // Not a copy: what its getters answer changes, and some of it is made when it is asked for.
    const own: AttemptContext = Object.assign(Object.create(context), { log, secrets: filled.secrets });
    const outcome = await runner({ ...run, spec: filled.spec }, own);
    return redactOutcome(outcome, redactor);
  }

  return (run, context) => {
    const fields = fieldsOf(run.spec);
    return fields ? runFilled(run, context, fields) : runner(run, context);
  };
}

const fieldsOf = (spec: TaskSpec): readonly SecretField[] | undefined =>
  "secretsIn" in spec && spec.secretsIn && spec.secretsIn.length > 0 ? spec.secretsIn : undefined;

interface Filled {
  spec: TaskSpec;
  secrets: FilledSecrets;
}

async function fillInTime(
  { namespaceId, spec }: { namespaceId: string; spec: TaskSpec },
  fields: readonly SecretField[],
  findSecrets: NamespaceSecrets["find"],
  context: AttemptContext,
  clock: Clock,
): Promise<Filled | AttemptOutcome> {
  try {
    const values = await loadInTime(() => findSecrets(namespaceId), context, clock);
    return fill(spec, fields, values);
  } catch (error) {
    if (error instanceof UnknownSecret || error instanceof TemplateFault)
      return failed("secret_not_found", `Nothing was sent: ${error.message}`, { retryable: false });
    const code = toSecretsFailure(error);
    return failed(code, UNFILLABLE[code], { retryable: true });
  }
}

const UNFILLABLE = {
  database_unavailable: "Nothing was sent: the database did not answer in time for the task's secrets.",
  secrets_unavailable: "Nothing was sent: the task's secrets could not be opened.",
};

class UnknownSecret extends Error {}

function fill(
  spec: TaskSpec,
  fields: readonly SecretField[],
  values: ReadonlyMap<string, string>,
): Filled | AttemptOutcome {
  const used = new Map<string, string>();
  const filled = fillSecrets(spec, fields, (name) => {
    const value = values.get(name);
    if (value === undefined) throw new UnknownSecret(`the namespace has no secret ${name} any more.`);
    used.set(name, value);
    return value;
  });
  const headers = new Set<string>();
  if (spec.type === "http" && filled.type === "http") {
    for (const [name, value] of Object.entries(filled.headers)) {
      if (value === spec.headers[name]) continue;
      headers.add(name.toLowerCase());
      const fault = describeHeaderFault(name, value);
      if (fault) return failed("invalid_request", fault, { retryable: false });
    }
  }
  const redactor = createRedactor(used);
  return { spec: filled, secrets: { redactor, headers, isInBody: fields.includes("body") } };
}

/** Says nothing of the value but what is wrong with it. */
function describeHeaderFault(name: string, value: string): string | undefined {
  if (!findHeaderFault(value)) return undefined;
  return (
    `The request was not sent: with its secret the header ${name} holds a line break, a control character or one above ` +
    "U+00FF, which no header can."
  );
}
