/** The group `hooks`: addresses at which others trigger a function or a task. */
import { type Command, Option } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { HOOK_SCHEMES, type HookScheme } from "../../core/domain/hook.ts";
import { type Arguments, addExamples, addGroup, collect, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { usageFailure } from "../failure.ts";
import { toWholeNumber } from "../pages.ts";
import { type Rate, toRate } from "../rate.ts";
import type { Cli, Session } from "../session.ts";
import { formatInstant } from "../terminal/time.ts";
import { withoutGaps } from "../without-gaps.ts";

interface Target {
  function?: string;
  task?: string;
}

/** What a task's hook takes as well. */
interface GuardOptions {
  name?: string;
  verify?: HookScheme;
  secret?: string[];
  tolerance?: string;
  rate?: Rate;
}

/** Where calls of a function stand; a task says that itself. */
interface CallOptions {
  tag?: string;
  maxAttempts?: number;
  queue?: string;
  priority?: number;
  concurrencyKey?: string;
  rateKey?: string;
}

type CreateOptions = Target & GuardOptions & CallOptions;
type Hook = Schemas["Hook"] | Schemas["TaskHook"];

const OF_FUNCTION = ["--function <function>", "the function that it triggers"] as const;
const OF_TASK = ["--task <task>", "the task that it triggers, by its id or key"] as const;

export function addHooks(program: Command, cli: Cli): void {
  const hooks = addGroup(program, "hooks", "addresses where others trigger a function or a task");
  addExamples(
    hooks
      .command("list", { isDefault: true })
      .description("list the hooks of a function or a task")
      .option(...OF_FUNCTION)
      .option(...OF_TASK)
      .action(withSession<Target>(cli, listHooks)),
    "hooks list --function hello",
    "hooks list --task nightly",
  );
  addExamples(
    hooks
      .command("create")
      .description("create a hook; its address, which contains its token, is printed only once")
      .option(...OF_FUNCTION)
      .option(...OF_TASK)
      .option("--name <name>", "a name for people")
      .addOption(new Option("--verify <scheme>", "how callers sign their requests").choices(HOOK_SCHEMES))
      .option("--secret <name>", "the secret that they sign with; may be repeated", collect)
      .option("--tolerance <duration>", "how old a signature may be; default: 5m")
      .option("--rate <limit/time>", "limit of calls, such as 60/1m", (text: string) =>
        toRate(text, 1_000_000),
      )
      .option("--tag <tag>", "the function's revision with this tag")
      .option("--max-attempts <count>", "how often a call is tried; default: 1", (text: string) =>
        toWholeNumber(text, 1, 100),
      )
      .option("--queue <queue>", "the queue of its calls")
      .option("--priority <priority>", "0 to 100", (text: string) => toWholeNumber(text, 0, 100))
      .option("--concurrency-key <key>", "the key that its calls share")
      .option("--rate-key <key>", "the key whose rate its calls share")
      .action(withSession<CreateOptions>(cli, createHook)),
    "hooks create --function hello --name shop --rate 60/1m",
    "hooks create --task nightly --verify github --secret SHOP_SECRET",
  );
  addExamples(
    hooks
      .command("delete <hook>")
      .description("delete a hook: its address stops working")
      .option(...OF_FUNCTION)
      .option(...OF_TASK)
      .option(...YES_OPTION)
      .action(withSession<Target & { yes?: boolean }>(cli, deleteHook)),
    "hooks delete 01a20a28-a81c-7294-862d-1a27e97c0d32 --function hello --yes",
  );
}

/** Exactly one of both. */
function toTarget({ function: fn, task }: Target): { fn: string } | { task: string } {
  if (fn !== undefined && task === undefined) return { fn };
  if (task !== undefined && fn === undefined) return { task };
  throw usageFailure("A hook belongs to a function or a task.", "Name it: --function NAME, or --task KEY");
}

async function listHooks({ client, out }: Session, _: Arguments, options: Target): Promise<void> {
  const target = toTarget(options);
  const page: { items: Hook[]; nextCursor: string | null } =
    "fn" in target
      ? await unwrap(client.GET("/v1/functions/{name}/hooks", { params: { path: { name: target.fn } } }))
      : await unwrap(client.GET("/v1/tasks/{task}/hooks", { params: { path: { task: target.task } } }));
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "HOOK", text: ({ id }) => id },
        { title: "NAME", text: ({ name }) => name ?? undefined, shrinks: true },
        { title: "SIGNED", text: describeVerification },
        { title: "RATE", text: ({ rate }) => (rate ? `${rate.limit}/${rate.per}` : undefined) },
        { title: "QUEUE", text: (hook) => ("queue" in hook ? hook.queue : undefined) },
        { title: "MADE", text: ({ createdAt }) => formatInstant(createdAt) },
      ],
      "There is no hook: bellhop hooks create",
    ),
  );
}

const describeVerification = ({ verify }: Hook): string | undefined =>
  verify ? `${verify.scheme}, ${verify.secrets.join(" or ")}` : undefined;

async function createHook({ client, out }: Session, _: Arguments, options: CreateOptions): Promise<void> {
  const target = toTarget(options);
  const guards = toGuards(options);
  const place = toPlace(options);
  if ("task" in target && Object.keys(place).length > 0)
    throw usageFailure(
      `The task itself sets these: ${Object.keys(place).join(", ")}.`,
      "Leave it out, or change the task: bellhop tasks",
    );
  const made =
    "fn" in target
      ? await unwrap(
          client.POST("/v1/functions/{name}/hooks", {
            params: { path: { name: target.fn } },
            body: { ...guards, ...place },
          }),
        )
      : await unwrap(
          client.POST("/v1/tasks/{task}/hooks", { params: { path: { task: target.task } }, body: guards }),
        );
  out.answer(made, () => {
    // The address alone on stdout, so that a script can take it.
    out.line(made.url);
    out.note(out.noteStyle.dim(`The hook ${made.id}. This is shown only once: save it now.`));
  });
}

function toGuards({ name, verify, secret, tolerance, rate }: GuardOptions) {
  if (verify === undefined && (secret ?? tolerance) !== undefined)
    throw usageFailure("What is signed, and how?", `Name it: --verify ${HOOK_SCHEMES.join(", ")}`);
  const signed = verify && { scheme: verify, secrets: secret ?? [], ...withoutGaps({ tolerance }) };
  return withoutGaps({ name, rate, verify: signed });
}

const toPlace = ({ tag, maxAttempts, queue, priority, concurrencyKey, rateKey }: CallOptions) =>
  withoutGaps({ tag, maxAttempts, queue, priority, concurrencyKey, rateKey });

async function deleteHook(
  session: Session,
  [given]: Arguments,
  options: Target & { yes?: boolean },
): Promise<void> {
  const { client, out } = session;
  const [target, hook] = [toTarget(options), given!];
  await confirmOrFail(session, `Delete the hook ${hook}?`, options);
  if ("fn" in target)
    await unwrap(
      client.DELETE("/v1/functions/{name}/hooks/{hook}", { params: { path: { name: target.fn, hook } } }),
    );
  else
    await unwrap(
      client.DELETE("/v1/tasks/{task}/hooks/{hook}", { params: { path: { task: target.task, hook } } }),
    );
  out.answer({ deleted: hook }, () => out.line(`${hook} is deleted.`));
}
