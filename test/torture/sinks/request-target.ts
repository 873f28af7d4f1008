/** An HTTP server that writes down when each request came and how it ended, and answers as its URL says. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { stepOf } from "./plan.ts";

type Record = (entry: object) => void;

const COMPLETE_RETRY_MS = 250;

/** Resolves with its port. */
export async function listenForRequests(record: Record): Promise<number> {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    answer(request, response, count, record).catch(() => response.destroy());
  });
  // Who is slow to send is the worker's business, not the target's.
  server.requestTimeout = 0;
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

async function answer(request: IncomingMessage, response: ServerResponse, seq: number, record: Record) {
  const url = new URL(request.url!, "http://target");
  const header = (name: string) => (request.headers[name] as string | undefined) ?? null;
  const runId = url.searchParams.get("run") ?? header("bellhop-run-id");
  const attempt = Number(url.searchParams.get("attempt") ?? header("bellhop-attempt") ?? 1);
  record({
    ...{ event: "begin", seq, at: Date.now(), runId, attempt, path: url.pathname },
    ...{ taskId: header("bellhop-task-id"), scheduledAt: header("bellhop-scheduled-at") },
    change: url.searchParams.get("change"),
  });
  let how = "aborted";
  // Also where the client goes away before it has its answer.
  response.once("close", () => record({ event: "end", seq, at: Date.now(), how }));
  const body = Buffer.concat(await request.toArray()).toString("utf8");
  if (url.pathname === "/called") record({ event: "called", seq, ...toldOf(body) });
  if (url.pathname === "/gathered") record({ event: "gathered", seq, runId, keys: JSON.parse(body) });
  const step = stepOf(url.searchParams.get("plan") ?? "200", attempt);
  switch (step.kind) {
    case "drop":
      how = "dropped";
      response.destroy();
      return;
    case "later":
      how = "later";
      response.writeHead(202, { "bellhop-complete": "later" }).end();
      await completeLater(header("bellhop-complete-url"), step.delayMs, { runId, attempt, record });
      return;
    case "answer":
      if (step.delayMs > 0) await delay(step.delayMs);
      how = response.destroyed ? "aborted" : "answered";
      response.writeHead(step.status).end();
  }
}

/** What a callback says of the run whose end it tells. */
function toldOf(body: string): object {
  const { type, data } = JSON.parse(body) as { type: string; data: { id?: string; state?: string } };
  return { type, endedRunId: data.id ?? null, state: data.state ?? null };
}

interface Completion {
  runId: string | null;
  attempt: number;
  record: Record;
}

/** Until the API has said what became of it. */
async function completeLater(url: string | null, delayMs: number, { runId, attempt, record }: Completion) {
  if (!url) return;
  await delay(delayMs);
  for (;;) {
    const sent = await fetch(url, {
      method: "POST",
      body: JSON.stringify({ result: { completed: true } }),
      signal: AbortSignal.timeout(5_000),
    }).catch(() => undefined);
    if (sent && sent.status < 500 && sent.status !== 429 && sent.status !== 409) {
      const { state = null } = (await sent.json().catch(() => ({}))) as { state?: string };
      record({ event: "completed", at: Date.now(), runId, attempt, status: sent.status, state });
      return;
    }
    await delay(COMPLETE_RETRY_MS);
  }
}
