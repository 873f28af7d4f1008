/** The group `queues`: limits, pauses, and who waits for what. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { toWholeNumber } from "../pages.ts";
import { type Rate, toRate } from "../rate.ts";
import type { Cli, Session } from "../session.ts";
import { shown } from "../shown.ts";
import { formatFromNow, formatInstant } from "../terminal/time.ts";
import { withoutGaps } from "../without-gaps.ts";

/** A parser of commander's cannot answer null. */
const NONE = "none";
type None = typeof NONE;
interface SetOptions {
  concurrency?: number | None;
  rate?: Rate | None;
  perKeyConcurrency?: number | None;
  perKeyRate?: Rate | None;
  restOn429?: boolean;
}
type Queue = Schemas["Queue"];

const at = (name: string | undefined) => ({ path: { name: name! } });

export function addQueues(program: Command, cli: Cli): void {
  const queues = addGroup(program, "queues", "queues: limits, pauses, and what runs wait for");
  addExamples(
    queues
      .command("list", { isDefault: true })
      .description("list the queues")
      .action(withSession<object>(cli, listQueues)),
    "queues list",
  );
  addExamples(
    queues
      .command("get <queue>")
      .description("show a queue: its limits and its runs")
      .action(
        withSession<object>(cli, async ({ client, out, now }, [name]) => {
          const queue = await unwrap(client.GET("/v1/queues/{name}", { params: at(name) }));
          out.answer(queue, () => showQueue({ out, now }, queue));
        }),
      ),
    "queues get mail",
  );
  addExamples(
    queues
      .command("set <queue>")
      .description("create a queue, or change its limits; limits that are not named stay as they are")
      .option("--concurrency <count>", "concurrent runs; none removes the limit", toCount)
      .option("--rate <limit/time>", "start rate, such as 10/1s; none removes it", toRateOrNone)
      .option("--per-key-concurrency <count>", "concurrent runs with the same key", toCount)
      .option("--per-key-rate <limit/time>", "start rate of runs with the same key", toRateOrNone)
      .option("--rest-on-429", "pause it when a server answers 429 or 503 with Retry-After")
      .option("--no-rest-on-429", "do not pause it then")
      .action(withSession<SetOptions>(cli, setQueue)),
    "queues set mail --concurrency 5 --rate 10/1s",
    "queues set mail --concurrency none",
  );
  addExamples(
    queues
      .command("pause <queue>")
      .description("stop starting its runs until it is resumed")
      .option("--until <instant>", "when the pause ends by itself")
      .action(
        withSession<{ until?: string }>(cli, async ({ client, out }, [name], { until }) => {
          const body = withoutGaps({ until });
          const queue = await shown(client.POST("/v1/queues/{name}/pause", { params: at(name), body }));
          out.answer(queue, () =>
            out.line(
              `${queue.name} is paused${queue.pausedUntil ? ` until ${formatInstant(queue.pausedUntil)}` : ""}.`,
            ),
          );
        }),
      ),
    "queues pause mail",
  );
  addExamples(
    queues
      .command("resume <queue>")
      .description("let its runs start again")
      .action(
        withSession<object>(cli, async ({ client, out }, [name]) => {
          const queue = await shown(client.POST("/v1/queues/{name}/resume", { params: at(name) }));
          out.answer(queue, () => out.line(`${queue.name} goes on.`));
        }),
      ),
    "queues resume mail",
  );
  addExamples(
    queues
      .command("delete <queue>")
      .description("delete an empty queue")
      .option(...YES_OPTION)
      .action(
        withSession<{ yes?: boolean }>(cli, async (session, [name], options) => {
          await confirmOrFail(session, `Delete the queue ${name}?`, options);
          await unwrap(session.client.DELETE("/v1/queues/{name}", { params: at(name) }));
          session.out.answer({ deleted: name }, () => session.out.line(`${name} is deleted.`));
        }),
      ),
    "queues delete mail --yes",
  );
}

function toCount(text: string): number | None {
  return text === NONE ? NONE : toWholeNumber(text, 1, 100_000);
}

const toRateOrNone = (text: string): Rate | None =>
  text === NONE ? NONE : toRate(text, 100_000, "Write it like 10/1s, or none.");

const toLimit = <Limit>(given: Limit | None | undefined) => (given === NONE ? null : given);

/** A PUT takes all limits: those that are not named are given as they are. */
async function setQueue(
  { client, out, now }: Session,
  [name]: Arguments,
  options: SetOptions,
): Promise<void> {
  const found = await client.GET("/v1/queues/{name}", { params: at(name) });
  const before = found.response.status === 404 ? undefined : await unwrap(Promise.resolve(found));
  const perKey = withoutGaps({
    concurrency: toLimit(options.perKeyConcurrency),
    rate: toLimit(options.perKeyRate),
  });
  const body = {
    ...(before && { concurrency: before.concurrency, rate: before.rate, restOn429: before.restOn429 }),
    perKey: { ...before?.perKey, ...perKey },
    ...withoutGaps({
      concurrency: toLimit(options.concurrency),
      rate: toLimit(options.rate),
      restOn429: options.restOn429,
    }),
  };
  const queue = await shown(client.PUT("/v1/queues/{name}", { params: at(name), body: body as never }));
  out.answer(queue, () => showQueue({ out, now }, queue));
}

async function listQueues({ client, out, now }: Session): Promise<void> {
  const page = await unwrap(client.GET("/v1/queues"));
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "QUEUE", text: ({ name }) => name, shrinks: true },
        {
          title: "STATE",
          text: describeState,
          paint: (text, { paused }) => (paused ? out.style.yellow(text) : text),
        },
        {
          title: "RUNNING",
          text: ({ running, concurrency }) => `${running}${concurrency === null ? "" : `/${concurrency}`}`,
          align: "right",
        },
        { title: "WAITING", text: ({ waiting }) => waiting, align: "right" },
        { title: "FOR", text: describeWaiting },
        { title: "OLDEST", text: ({ oldestWaitingAt }) => formatFromNow(oldestWaitingAt, now()) },
        { title: "RATE", text: ({ rate }) => formatRate(rate) },
      ],
      "There are no queues.",
    ),
  );
}

const describeState = ({ paused, pausedUntil }: Queue) =>
  !paused ? "open" : pausedUntil === null ? "paused" : `paused until ${formatInstant(pausedUntil)}`;

export function describeWaiting({ waitingFor }: Queue): string | undefined {
  const kinds = Object.entries(waitingFor).filter(([, count]) => count > 0);
  return kinds.map(([kind, count]) => `${kind} ${count}`).join(", ") || undefined;
}

const formatRate = (rate: Queue["rate"] | undefined): string | undefined =>
  rate ? `${rate.limit}/${rate.per}${rate.burst === null ? "" : `, burst ${rate.burst}`}` : undefined;

function showQueue({ out, now }: Pick<Session, "out" | "now">, queue: Queue): void {
  out.facts([
    ["queue", queue.name],
    ["state", describeState(queue)],
    ["concurrency", String(queue.concurrency ?? "none")],
    ["rate", formatRate(queue.rate) ?? "none"],
    [
      "per key",
      [queue.perKey?.concurrency, formatRate(queue.perKey?.rate)].filter((each) => each != null).join(", "),
    ],
    ["running", String(queue.running)],
    [
      "waiting",
      `${queue.waiting}${queue.oldestWaitingAt === null ? "" : `, the oldest since ${formatFromNow(queue.oldestWaitingAt, now())}`}`,
    ],
    ["for", describeWaiting(queue)],
  ]);
}
