/** A steady load of everything: so many requests a second, drawn in turns, each kind by its weight. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { QUEUES, taskOf } from "../../bench/churn.ts";
import type { BenchSystem } from "../../bench/system.ts";

const TICK_MS = 100;
const QUICK_RETRY = { maxAttempts: 3, backoff: { initial: "200ms", max: "1s" } };
/** Repeating tasks that stand at a time, and how long each does. */
const REPEATING = 20;
const REPEATING_FOR_MS = 30_000;
const DEPLOY_EVERY_MS = 15_000;
const DECIDE_EVERY_MS = 20_000;
const CANCEL_AFTER_MS = 3_000;

const sourceOf = (deploy: number) => `
export default async function (input, ctx) {
  ctx.log.info("deploy ${deploy}", { input });
  if (input?.fails) throw new Error("as asked");
  await ctx.kv.set("last", ctx.runId);
  return { at: ${deploy}, seen: input };
}`;
const SITE = `export default { fetch: async (request) => new Response(await request.text()) };`;

/** Requests that were answered as they should be, by kind, and those that were not. */
export interface LoadCounts {
  asked: number;
  refused: number;
}

export interface Load {
  counts: LoadCounts;
  /** Resolves at the end; rejects where something was answered as it must not be. */
  run(untilMs: number): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export async function openLoad(system: BenchSystem, perSecond: number): Promise<Load> {
  const target = await openTarget();
  const agent = new Agent({ connections: 32 });
  const counts: LoadCounts = { asked: 0, refused: 0 };

  /** @param expected statuses besides those of success */
  async function ask(method: string, path: string, body?: unknown, expected: number[] = []): Promise<Answer> {
    const {
      statusCode,
      headers,
      body: answer,
    } = await request(`${system.origin}${path}`, {
      method: method as "GET",
      headers: { authorization: `Bearer ${system.key}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: agent,
    });
    const text = await answer.text();
    counts.asked += 1;
    if (statusCode === 503 || statusCode === 429) counts.refused += 1;
    else if (statusCode >= 300 && !expected.includes(statusCode))
      throw new Error(`${method} ${path} answered ${statusCode}: ${text}`);
    const isJson = /json/.test(String(headers["content-type"]));
    return { status: statusCode, body: isJson ? (JSON.parse(text) as Answer["body"]) : {} };
  }

  const create = (task: object) => ask("POST", "/v1/tasks", task);
  const http = (path = "/") => ({
    ...{ type: "http", method: "POST", url: `${target.url}${path}`, body: { n: 1 }, timeout: "10s" },
    retry: QUICK_RETRY,
  });
  const functionTask = { type: "function", function: "errand", input: { n: 1 }, retry: QUICK_RETRY };
  const email = { type: "email", to: "soak@example.com", subject: "steady", body: "As before." };

  async function createAndCancel(): Promise<void> {
    const { body } = await create({ ...http(), schedule: { delay: "1m" } });
    if (typeof body["id"] !== "string") return;
    await sleep(CANCEL_AFTER_MS);
    await ask("POST", `/v1/tasks/${body["id"]}/cancel`);
  }

  const invoke = (input: unknown, expected: number[] = []) =>
    ask("POST", "/v1/functions/errand/invoke", input, expected);

  // By how many of a hundred requests are theirs.
  const kinds: [number, (nth: number) => Promise<unknown>][] = [
    [30, (nth) => create(taskOf(http(), nth))],
    [6, () => create({ ...http("/flaky") })],
    [4, () => create({ ...http("/fails"), deadLetter: false })],
    [2, () => create(http("/fails"))],
    [6, () => create(email)],
    [8, () => create(functionTask)],
    [2, () => create({ ...functionTask, input: { fails: true }, deadLetter: false })],
    [8, () => create({ ...http(), schedule: { delay: "10s" } })],
    [6, createAndCancel],
    [12, () => invoke({ n: 1 })],
    // The function's failure is its caller's answer.
    [2, () => invoke({ fails: true }, [500, 502])],
    [10, () => ask("POST", "/fn/default/site", { n: 1 })],
    [4, () => ask("POST", "/v1/functions/errand/invoke?maxAttempts=2", { n: 1 }, [])],
  ];
  const inTurn = kinds.flatMap(([share, act]) => Array.from({ length: share }, () => act));

  async function deploy(untilMs: number): Promise<void> {
    for (let nth = 1; performance.now() + DEPLOY_EVERY_MS < untilMs; nth += 1) {
      await sleep(DEPLOY_EVERY_MS);
      await ask("PUT", "/v1/functions/errand", { source: sourceOf(nth) });
    }
  }

  /** Tasks that repeat, one in the place of another. */
  async function repeat(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      const { body } = await create({ ...http(), schedule: { every: "2s" } });
      await sleep(Math.min(REPEATING_FOR_MS, untilMs - performance.now()));
      if (typeof body["id"] === "string") await ask("POST", `/v1/tasks/${body["id"]}/cancel`);
    }
  }

  /** Dead letters, by turns. */
  async function decide(untilMs: number): Promise<void> {
    for (let nth = 0; performance.now() + DECIDE_EVERY_MS < untilMs; nth += 1) {
      await sleep(DECIDE_EVERY_MS);
      const action = nth % 2 === 0 ? "redrive" : "discard";
      await ask("POST", "/v1/bulk", { action, resource: "runs", filter: {} });
    }
  }

  async function drawAll(untilMs: number): Promise<void> {
    const beganMs = performance.now();
    const underWay = new Set<Promise<unknown>>();
    let failure: unknown;
    for (let nth = 0; performance.now() < untilMs && failure === undefined; ) {
      const due = Math.floor(((performance.now() - beganMs) / 1_000) * perSecond);
      for (; nth < due; nth += 1) {
        // The steps of a walk that meets each kind in its turn, and not all of one kind at once.
        const act = inTurn[(nth * 37) % inTurn.length]!;
        const acting: Promise<unknown> = act(nth)
          .catch((error: unknown) => {
            failure ??= error;
          })
          .finally(() => underWay.delete(acting));
        underWay.add(acting);
      }
      await sleep(TICK_MS);
    }
    await Promise.all(underWay);
    if (failure !== undefined) throw failure;
  }

  for (const [name, limits] of Object.entries(QUEUES)) await ask("PUT", `/v1/queues/${name}`, limits);
  await ask("PUT", "/v1/functions/errand", { source: sourceOf(0) });
  await ask("PUT", "/v1/functions/site", { source: SITE });
  return {
    counts,
    async run(untilMs) {
      const repeating = Array.from({ length: REPEATING }, () => repeat(untilMs));
      await Promise.all([drawAll(untilMs), deploy(untilMs), decide(untilMs), ...repeating]);
    },
    async close() {
      await agent.close();
      await target.close();
    },
  };
}

/** Answers 200, but `/fails` always with 500, and `/flaky` every other time. */
async function openTarget(): Promise<{ url: string; close(): Promise<void> }> {
  let flaky = 0;
  const server = createServer((incoming, response) => {
    incoming.resume();
    if (incoming.url === "/flaky") flaky += 1;
    const fails = incoming.url === "/fails" || (incoming.url === "/flaky" && flaky % 2 === 1);
    response.writeHead(fails ? 500 : 200).end("ok");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
