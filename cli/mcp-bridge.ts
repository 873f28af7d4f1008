/**
 * Hands a client's messages to the API's MCP server, and the answers back. Each is a request of its own: they pass each other,
 * and one that the client takes back is ended.
 */
import { Interrupted, toFailure } from "./failure.ts";
import type { Session } from "./session.ts";

/** Of JSON-RPC. */
const ERRORS = { parse: -32_700, invalidRequest: -32_600, internal: -32_603 } as const;

type Id = string | number;

/** As far as a bridge looks at it; the API looks at the rest. */
interface Message {
  method?: string;
  /** A notification has none. */
  id?: Id;
  params?: { requestId?: Id };
}

export interface Bridge {
  /** A message as it was read: a line of JSON. */
  take(line: string): void;
  /** Resolves once everything that was asked so far is answered. */
  settle(): Promise<void>;
}

export interface BridgeEnds {
  request: Session["request"];
  /** An answer, for the client. */
  send(answer: object): void;
  /** What no answer can say. */
  tell(problem: string): void;
}

export function openBridge({ request, send, tell }: BridgeEnds): Bridge {
  const stops = new Map<Id, AbortController>();
  const passing = new Set<Promise<void>>();
  let version: string | undefined;

  function refuse(id: Id | null, code: number, message: string): void {
    send({ jsonrpc: "2.0", id, error: { code, message } });
  }

  async function pass(message: Message): Promise<void> {
    const { id } = message;
    const stop = new AbortController();
    if (id !== undefined) stops.set(id, stop);
    try {
      const answer = await ask(message, stop.signal);
      if (answer !== undefined) send(answer);
    } catch (error) {
      // Who takes a request back waits for no answer.
      if (stop.signal.aborted || error instanceof Interrupted) return;
      const { message: sentence, hint } = toFailure(error);
      const said = hint === undefined ? sentence : `${sentence} ${hint}`;
      if (id === undefined) tell(said);
      else refuse(id, ERRORS.internal, said);
    } finally {
      if (id !== undefined && stops.get(id) === stop) stops.delete(id);
    }
  }

  async function ask(message: Message, signal: AbortSignal): Promise<object | undefined> {
    const response = await request("/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(version === undefined ? {} : { "mcp-protocol-version": version }),
      },
      body: JSON.stringify(message),
      signal,
    });
    const text = await response.text();
    if (text === "") return undefined;
    const answer = JSON.parse(text) as { result?: { protocolVersion?: string } };
    if (message.method === "initialize") version = answer.result?.protocolVersion;
    return answer;
  }

  return {
    take(line) {
      if (line.trim() === "") return;
      const message = parse(line);
      if (message === undefined) return refuse(null, ERRORS.parse, "This line is not JSON.");
      if (!isMessage(message)) return refuse(null, ERRORS.invalidRequest, "Send one message a line.");
      if (message.method === "notifications/cancelled") {
        stops.get(message.params?.requestId ?? "")?.abort();
        return;
      }
      const passed = pass(message).finally(() => passing.delete(passed));
      passing.add(passed);
    },
    async settle() {
      while (passing.size > 0) await Promise.all(passing);
    },
  };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && !Array.isArray(value);
