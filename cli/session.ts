/** What a command works with: the API it talks to, what it prints, and the word that it is to stop. */
import { type Client, createClient, type Problem } from "../client/client.ts";
import { fromProblem, Interrupted, unreachable } from "./failure.ts";
import type { Target } from "./target.ts";
import type { Output } from "./terminal/output.ts";
import type { Asking } from "./terminal/prompt.ts";

export interface Cli {
  env: NodeJS.ProcessEnv;
  cwd: string;
  asking: Asking;
  /** Aborts at Ctrl-C. */
  signal: AbortSignal;
  version: string;
  now(): number;
}

export interface Session extends Cli {
  out: Output;
  target: Target;
  client: Client;
  /** What the typed client has no form for, such as a stream; throws a Failure unless the answer is 2xx. */
  request(path: string, init?: RequestInit): Promise<Response>;
}

export function openSession(cli: Cli, target: Target, out: Output): Session {
  const { url, key, namespace } = target;
  const send = createFetch(cli, url);
  const agent = { "user-agent": `bellhop-cli/${cli.version}` };
  const client = createClient({
    ...{ baseUrl: url, key, fetch: send, headers: agent },
    ...(namespace === undefined ? {} : { namespace }),
  });
  return {
    ...cli,
    ...{ target, client, out },
    async request(path, init = {}) {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${key}`);
      headers.set("user-agent", agent["user-agent"]);
      if (namespace !== undefined) headers.set("bellhop-namespace", namespace);
      const response = await send(new Request(`${url}${path}`, { ...init, headers }));
      if (!response.ok) throw fromProblem(await readProblem(response), response);
      return response;
    },
  };
}

/** Ends with Ctrl-C, tells of an API that is not there as such, and follows no redirect: the key stays where it is. */
export function createFetch(
  { signal }: Pick<Cli, "signal">,
  url: string,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      const both = AbortSignal.any([signal, request.signal]);
      return await fetch(new Request(request, { signal: both, redirect: "manual" }));
    } catch (error) {
      if (signal.aborted) throw new Interrupted();
      if (request.signal.aborted) throw error;
      throw unreachable(url, error);
    }
  };
}

async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.code === "string" && typeof problem.detail === "string") return problem;
  } catch {}
  const { status, statusText } = response;
  const detail = `${response.url} answered ${status} ${statusText}.`;
  return { type: "about:blank", title: statusText || "Error", status, detail, code: "unknown" };
}
