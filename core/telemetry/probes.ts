/** `/healthz` the process answers, `/readyz` it can do its work, `/metrics` what it counted. The same in every role. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { BellhopError, messageOf } from "../errors.ts";

/** Throws or rejects while the part is not ready. */
export type ReadinessCheck = () => Promise<void> | void;

/** Gives what is shown, JSON; nothing given: "ok". What it throws is shown by its message. */
export type Report = () => unknown;

export interface ProbeAnswer {
  status: number;
  contentType: string;
  body: string;
}

const CHECK_TIMEOUT_MS = 2_000;
/** A closing server gives requests under way this long; a client that stalls must not hold up the shutdown. */
const CLOSE_GRACE_MS = 5_000;
/** A request is here within this time; its answer may take as long as it takes. */
export const RECEIVE_TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
};

/** Answers one of the three paths; undefined for any other. */
export type Probes = (path: string) => Promise<ProbeAnswer | undefined>;

/**
 * Only `checks` decide readiness. What `reported` says is shown beside them: a role whose queue is away still records
 * and runs what it finds in the table, and must not be taken out of its load balancer.
 */
export function createProbes(
  registry: Registry,
  checks: Record<string, ReadinessCheck>,
  reported: Record<string, Report> = {},
): Probes {
  const json = (status: number, body: object): ProbeAnswer => ({
    status,
    contentType: "application/json",
    body: JSON.stringify(body),
  });
  return async (path) => {
    if (path === "/healthz") return json(200, { status: "ok" });
    if (path === "/readyz") {
      const [parts, others] = await Promise.all([runChecks(checks), runChecks(reported)]);
      const ready = Object.values(parts).every((part) => part === "ok");
      const answer = { status: ready ? "ready" : "not ready", checks: { ...parts, ...others } };
      return json(ready ? 200 : 503, answer);
    }
    if (path === "/metrics")
      return { status: 200, contentType: registry.contentType, body: await registry.metrics() };
    return undefined;
  };
}

async function runChecks(checks: Record<string, Report>): Promise<Record<string, unknown>> {
  const answers = Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check)] as const);
  return Object.fromEntries(await Promise.all(answers));
}

async function runCheck(check: Report): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    return (await Promise.race([check(), late])) ?? "ok";
  } catch (error) {
    return messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** What a role without an API of its own answers. `others` answers what is no probe; default: 404. */
export function answerProbes(probes: Probes, others: RequestListener = answerNotFound): RequestListener {
  return (request, response) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    const answering = isRead ? probes(pathOf(request.url ?? "/")) : Promise.resolve(undefined);
    answering.then(
      (probe) => {
        if (!probe) return others(request, response);
        response.writeHead(probe.status, { "content-type": probe.contentType }).end(probe.body);
      },
      () => response.writeHead(500).end(),
    );
  };
}

/** Of `/healthz?x`, of `/healthz/`, and of `http://a/healthz`, which a server has to take as well. */
function pathOf(target: string): string {
  const [path = ""] = target.replace(/^https?:\/\/[^/?]*/i, "").split("?");
  return path.replace(/\/$/, "") || "/";
}

function answerNotFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
}

/** Binds the server; closing it waits for answers under way and ends idle connections. */
export async function listen(
  server: Server,
  host: string,
  port: number,
  closeGraceMs: number = CLOSE_GRACE_MS,
): Promise<{ port: number; close(): Promise<void> }> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} of ${host} is taken: set PORT to another one, or to 0 to pick a free one.`;
      reject(error.code === "EADDRINUSE" ? new BellhopError("port_taken", 500, taken) : error);
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        const overdue = setTimeout(() => server.closeAllConnections(), closeGraceMs);
        server.close(() => {
          clearTimeout(overdue);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
