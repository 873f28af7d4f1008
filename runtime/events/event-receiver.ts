/**
 * CloudEvents by `POST /` on the worker's port, one a request. The answer comes when the run has ended: a pod that has
 * answered looks idle, and is taken away. A client that goes away stops nothing: the run is recorded all the same.
 *
 * Senders try 404, 409, 429 and 5xx again, and nothing else (Knative's data plane contract): what can never work is
 * another 4xx.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { BellhopError } from "../../core/errors.ts";
import { PROBLEM_CONTENT_TYPE, toProblemText } from "../../core/problem.ts";
import type { Bell } from "../../core/queue/transport.ts";
import type { EventOutcome } from "./event-intake.ts";
import { parseEvent } from "./parse-event.ts";

export interface EventReceiverParts {
  /** Resolves when the event can be answered; never rejects. */
  take(bell: Bell): Promise<EventOutcome>;
  /** Each answer, once: `refused` for an event that can never be taken. */
  onAnswer(outcome: EventOutcome | "refused", error?: BellhopError): void;
}

/** A bell takes a hundred bytes; an event around it some hundreds. */
export const MAX_EVENT_BYTES = 65_536;
const RETRY_AFTER_SECONDS = "1";

type Answer = { status: number; error?: never } | { error: BellhopError; leaves?: boolean };

const refusal = (code: string, status: number, message: string) => new BellhopError(code, status, message);

/** `leaves`: this worker takes no more, and its connections go with it. */
const ANSWERS: Record<EventOutcome, Answer> = {
  recorded: { status: 204 },
  not_waiting: { status: 204 },
  later: { status: 202 },
  long_run: { status: 202 },
  full: { error: refusal("worker_full", 429, "All slots of this worker are taken.") },
  draining: { error: refusal("worker_draining", 503, "This worker is stopping."), leaves: true },
  given_back: {
    error: refusal("run_given_back", 503, "This worker stopped before the run had ended, and gave it back."),
    leaves: true,
  },
  failed: {
    error: refusal(
      "event_not_taken",
      503,
      "The database or the queue did not answer; the worker's log says more.",
    ),
  },
};

/** Answers `POST /`, and says of any other request what is wrong with it. */
export function createEventReceiver({ take, onAnswer }: EventReceiverParts): RequestListener {
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let bell: Bell;
    try {
      demandPost(request);
      bell = parseEvent(request.headers, await readBody(request));
    } catch (thrown) {
      if (!(thrown instanceof BellhopError)) throw thrown;
      onAnswer("refused", thrown);
      refuse(response, thrown);
      return;
    }
    const outcome = await take(bell);
    onAnswer(outcome);
    answer(response, outcome);
  }

  return (request, response) => {
    // What is thrown besides is the client's: it went away before its event was here.
    receive(request, response).catch(() => response.destroy());
  };
}

function demandPost({ url, method }: IncomingMessage): void {
  if (url?.split("?")[0] !== "/")
    throw refusal("not_found", 404, "There is nothing here: events are sent by POST to /.");
  if (method !== "POST") throw refusal("method_not_allowed", 405, "Events are sent by POST.");
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = refusal("event_too_large", 413, `An event holds at most ${MAX_EVENT_BYTES} bytes.`);
  if (Number(request.headers["content-length"]) > MAX_EVENT_BYTES) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed where it is too large: who sends it is told so, and the rest is read and dropped.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_EVENT_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, outcome: EventOutcome): void {
  const given = ANSWERS[outcome];
  response.setHeader("bellhop-event-outcome", outcome);
  if (given.error === undefined) {
    response.writeHead(given.status).end();
    return;
  }
  response.setHeader("retry-after", RETRY_AFTER_SECONDS);
  if (given.leaves) response.setHeader("connection", "close");
  refuse(response, given.error);
}

function refuse(response: ServerResponse, error: BellhopError): void {
  if (error.status === 405) response.setHeader("allow", "POST");
  response.writeHead(error.status, { "content-type": PROBLEM_CONTENT_TYPE }).end(toProblemText(error));
}
