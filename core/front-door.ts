/**
 * A role's port. States: starting (the probes answer, anything else is sent away) → open (the role answers) → closed.
 * It is bound first, so that who watches a role can tell one that waits from one that is gone.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import type { Registry } from "prom-client";
import { databaseUnavailable } from "./errors.ts";
import { latin1HeadResponse } from "./latin1-head.ts";
import { PROBLEM_CONTENT_TYPE, toProblemText } from "./problem.ts";
import { guardRequests, STRICT_HTTP } from "./request-guard.ts";
import { answerProbes, createProbes, listen, RECEIVE_TIMEOUTS } from "./telemetry/probes.ts";

export interface FrontDoor {
  port: number;
  server: Server;
  /** What the start waits for, for `/readyz`. */
  setReason(reason: string | undefined): void;
  /** From now on the role answers. */
  open(listener: RequestListener): void;
  /** Fine on one that is closed. */
  close(): Promise<void>;
}

export async function openFrontDoor(
  { HOST, PORT }: { HOST: string; PORT: number },
  registry: Registry,
  options: ServerOptions = RECEIVE_TIMEOUTS,
): Promise<FrontDoor> {
  let reason: string | undefined;
  const starting = createProbes(registry, {
    database: () => {
      throw new Error(reason ?? "starting");
    },
  });
  let answer = answerProbes(starting, (_request, response) => {
    const error = databaseUnavailable();
    response
      .writeHead(error.status, {
        "content-type": PROBLEM_CONTENT_TYPE,
        "retry-after": String(error.retryAfterSeconds),
        // The rest of a body that nobody reads must not keep the connection.
        connection: "close",
      })
      .end(toProblemText(error));
  });
  const server = createServer(
    { ...options, ...STRICT_HTTP, ServerResponse: latin1HeadResponse() },
    guardRequests((request, response) => answer(request, response)),
  );
  const { port, close } = await listen(server, HOST, PORT);
  let closing: Promise<void> | undefined;
  return {
    port,
    server,
    setReason: (given) => (reason = given),
    open: (listener) => (answer = listener),
    close: () => (closing ??= close()),
  };
}

/** Rejects with `port_taken` where the port could not be bound now; nothing is kept of it. */
export async function demandFreePort({ HOST, PORT }: { HOST: string; PORT: number }): Promise<void> {
  const { close } = await listen(createServer(), HOST, PORT);
  await close();
}
