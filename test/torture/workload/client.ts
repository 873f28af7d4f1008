/**
 * Sends a request until it has an answer that is one, to one API after another. A POST has an idempotency key, so that
 * however often it is sent it is done once; what else is sent may be repeated by itself.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Records } from "../records.ts";
import type { System } from "../system/system.ts";
import { enqueue } from "./enqueue.ts";

export interface Ask {
  /** What is asked, by the workload's name for it. */
  act: string;
  /** Names the request. */
  key: string;
  /** `SQL`: a task is enqueued by an application's own transaction, and `path` says how that ends. */
  method: "POST" | "PUT" | "PATCH" | "DELETE" | "SQL";
  path: string;
  headers?: Record<string, string>;
  body?: object;
}

export interface Answer {
  status: number;
  /** As the answer names it in its header; null: it names none. */
  runId: string | null;
  body: Record<string, unknown>;
}

export interface WorkClient {
  /** Undefined: nobody answered before the end. Either is recorded. */
  ask(ask: Ask): Promise<Answer | undefined>;
}

/** Longer than an API waits for the database: who leaves before gets no 503, and leaves work behind that is for nobody. */
const TIMEOUT_MS = 15_000;
const RETRY_MS = 250;
/** What the run became is not told by these. */
const PASSING = ["database_unavailable", "outcome_unknown", "run_not_finished", "internal_error"];

/** @param signal gives up what has no answer yet */
export function createWorkClient(system: System, records: Records, signal: AbortSignal): WorkClient {
  const apis = system.ofKind("api");
  let turn = 0;

  async function send({ key, method, path, headers, body }: Ask): Promise<Answer | undefined> {
    const { url } = apis[turn % apis.length]!;
    turn += 1;
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...headers,
          authorization: `Bearer ${system.apiKey}`,
          ...(method === "POST" ? { "idempotency-key": key } : {}),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const text = await response.text();
      const runId = response.headers.get("bellhop-run-id");
      return { status: response.status, runId, body: text === "" ? {} : JSON.parse(text) };
    } catch {
      return undefined;
    }
  }

  function write(
    { act, key, method, path, body }: Ask,
    firstAt: number,
    tries: number,
    answer: Answer,
  ): void {
    records.add("answers", {
      ...{ act, key, method, path, body, tries, firstAt, at: Date.now() },
      ...{ status: answer.status, runId: answer.runId, answer: answer.body },
    });
  }

  return {
    async ask(ask) {
      const firstAt = Date.now();
      for (let tries = 1; !signal.aborted; tries += 1) {
        const answer = await (ask.method === "SQL" ? enqueue(system.postgres.url, ask) : send(ask));
        if (answer && isAnswer(answer)) {
          write(ask, firstAt, tries, answer);
          return answer;
        }
        await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      }
      write(ask, firstAt, 0, { status: 0, runId: null, body: {} });
      return undefined;
    },
  };
}

/** Others say that it should come again. */
function isAnswer({ status, body }: Answer): boolean {
  if (status === 429 || body["code"] === "idempotency_key_in_use") return false;
  if (status < 500) return true;
  // The end of a call that was done: its worker was lost, or what it called fails.
  return typeof body["runId"] === "string" && !PASSING.includes(String(body["code"]));
}
