/** What `top` shows, as it becomes known: queues, workers and errors by looking, what happens by following the events. */
import { type Schemas, unwrap } from "../../client/client.ts";
import { EXIT } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import { follow } from "../follow.ts";
import type { Session } from "../session.ts";
import { EventRates } from "./event-rates.ts";
import type { TopState } from "./render-top.ts";

const ERRORS = 5;
const RECENT = 10;
const FAILURES = ["bellhop.run.failed", "bellhop.run.dead", "bellhop.run.expired"];

export class TopReader {
  readonly #session: Session;
  readonly #rates = new EventRates();
  readonly #recent: TopState["recent"] = [];
  #known: Pick<TopState, "queues" | "workers" | "errors"> = { queues: [], workers: undefined, errors: [] };
  #trouble: string | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  state(nowMs: number): TopState {
    const { target } = this.#session;
    const count = (type: string) => this.#rates.count(type, nowMs);
    return {
      ...this.#known,
      where: [target.url, target.namespace].filter(Boolean).join(" "),
      perMinute: {
        started: count("bellhop.run.started"),
        succeeded: count("bellhop.run.succeeded"),
        failed: FAILURES.reduce((sum, type) => sum + count(type), 0),
      },
      recent: this.#recent,
      trouble: this.#trouble,
    };
  }

  /** One look. Where nobody answers the last one stands, and what is wrong is shown. */
  async look(): Promise<void> {
    const { client, signal } = this.#session;
    try {
      const query = { limit: ERRORS, state: ["open"] as ["open"] };
      const [queues, workers, errors] = await Promise.all([
        unwrap(client.GET("/v1/queues")),
        readWorkers(client),
        unwrap(client.GET("/v1/errors", { params: { query } })),
      ]);
      this.#known = { queues: queues.items, workers, errors: errors.items };
      this.#trouble = undefined;
    } catch (error) {
      const failure = toFailure(error);
      if (signal.aborted || failure.exitCode !== EXIT.unreachable) throw error;
      this.#trouble = failure.message;
    }
  }

  /** Until the signal aborts. @param onOpen from here on no event is missed */
  async followEvents(signal: AbortSignal, onOpen: () => void): Promise<void> {
    const onItem = (item: object) => this.add(item as Schemas["Event"]);
    await follow(this.#session, { path: "/v1/events", query: new URLSearchParams(), onItem, onOpen, signal });
  }

  add({ type, time, data }: Schemas["Event"]): void {
    this.#rates.add(type, Date.parse(time));
    const isFailure = FAILURES.includes(type);
    const of = nameThing(data);
    if (/^bellhop\.run\.(queued|started)$/.test(type)) return;
    this.#recent.unshift({
      at: time,
      what: type.slice(type.lastIndexOf(".") + 1),
      of,
      isFailure,
    });
    this.#recent.length = Math.min(this.#recent.length, RECENT);
  }
}

/** What an event is about: a function, a task, or what an entry of the audit log says was changed. */
function nameThing(data: Schemas["Event"]["data"]): string {
  if ("resource" in data) return data.resource;
  const name = "name" in data ? data.name : undefined;
  return data.function ?? name ?? data.taskId ?? "";
}

async function readWorkers(client: Session["client"]): Promise<TopState["workers"]> {
  const answer = await client.GET("/v1/workers");
  return answer.response.status === 403 ? undefined : (await unwrap(Promise.resolve(answer))).items;
}
