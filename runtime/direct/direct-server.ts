/** The worker's end of direct calls: connections of APIs, opened by an HTTP upgrade with the worker's token. */
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { CallerMessage, CallerStream } from "../../core/contracts/call-stream.ts";
import {
  CALLERS_HEADER,
  type CallAnswer,
  DIRECT_PROTOCOL,
  type DirectAsk,
  type DirectSay,
  INPUTS_AS_PAYLOADS,
  MAX_DIRECT_FRAME_BYTES,
  PAYLOADS_HEADER,
} from "../../core/contracts/direct-call.ts";
import { putPayloadIntoCall, takeBodyOfOutcome } from "../../core/contracts/direct-payloads.ts";
import { FrameDecoder, FrameWriter, splitFrame, toBase64 } from "../../core/frames.ts";
import type { CallerMeetings } from "./caller-meetings.ts";
import type { BegunCall, DirectCalls } from "./direct-calls.ts";

export interface DirectServer {
  /** Ends all connections once what was said is out: whoever still waits on one hears that the worker is lost. */
  close(): void;
}

/** Takes upgrades on a server that is listening. Only who shows `token` gets further than an answer of 401. */
export function serveDirectCalls(
  server: Server,
  token: string,
  directCalls: DirectCalls,
  callers: CallerMeetings,
): DirectServer {
  /** With what sends what waits to be said there. */
  const sockets = new Map<Socket, () => void>();
  const onUpgrade = (request: IncomingMessage, socket: Socket) => {
    socket.on("error", () => socket.destroy());
    if (!isAllowed(request, token)) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${DIRECT_PROTOCOL}\r\n${PAYLOADS_HEADER}: ${INPUTS_AS_PAYLOADS}\r\n${CALLERS_HEADER}: 1\r\n\r\n`,
    );
    socket.setNoDelay(true);
    const { headers } = request;
    const api = {
      id: toText(headers[CALLERS_HEADER]),
      takesPayloads: headers[PAYLOADS_HEADER] !== undefined,
    };
    sockets.set(socket, serveConnection(socket, directCalls, callers, api));
    socket.once("close", () => sockets.delete(socket));
  };
  server.on("upgrade", onUpgrade);
  return {
    close() {
      server.off("upgrade", onUpgrade);
      // A turn later: what this one had to say goes first.
      setImmediate(() => {
        for (const [socket, flush] of sockets) {
          flush();
          socket.destroySoon();
        }
      });
    },
  };
}

function isAllowed({ headers }: IncomingMessage, token: string): boolean {
  if (headers.upgrade !== DIRECT_PROTOCOL) return false;
  const given = Buffer.from(headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

interface ConnectedApi {
  /** Undefined: it hands over no callers of claimed runs, as the release before. */
  id: string | undefined;
  takesPayloads: boolean;
}

const toText = (header: string | string[] | undefined) => (typeof header === "string" ? header : undefined);

/**
 * One API. When it is gone, so are the callers behind it; runs that it did not give up go on. Answers what sends what waits
 * to be said.
 */
function serveConnection(
  socket: Socket,
  directCalls: DirectCalls,
  callers: CallerMeetings,
  { id, takesPayloads }: ConnectedApi,
): () => void {
  const writer = new FrameWriter(socket, MAX_DIRECT_FRAME_BYTES);
  const calls = new Map<number, BegunCall>();
  const say = (message: DirectSay, payload?: string) => {
    if (!socket.destroyed) writer.write(message, payload);
  };
  const decoder = new FrameDecoder(MAX_DIRECT_FRAME_BYTES, (text) => {
    const { json, payload } = splitFrame(text);
    receive(JSON.parse(json) as DirectAsk, payload, text.length);
  });

  function receive(ask: DirectAsk, payload: string | undefined, bytes: number): void {
    if (ask.t === "call") {
      const given = putPayloadIntoCall(ask.call, payload);
      const answer = toAnswer(ask.no);
      const call = given.isClaimed
        ? callers.handOver(id, given, answer)
        : directCalls.begin(given, answer, bytes);
      if (call) calls.set(ask.no, call);
      return;
    }
    if (ask.t === "absent") {
      callers.miss(id, ask.runId);
      return;
    }
    const feed = calls.get(ask.no)?.feed;
    if (feed) hear(ask, feed);
  }

  function toAnswer(no: number): CallAnswer {
    return {
      refused(reason) {
        calls.delete(no);
        say({ t: "refused", no, reason });
      },
      accepted: () => say({ t: "accepted", no }),
      head: (head) => say({ t: "head", no, head }),
      data: (bytes) => say({ t: "data", no, base64: toBase64(bytes) }),
      end: () => say({ t: "end", no }),
      pull: (bytes) => say({ t: "pull", no, bytes }),
      done(outcome) {
        calls.delete(no);
        if (takesPayloads) {
          const { message, payload } = takeBodyOfOutcome(outcome);
          say({ t: "done", no, outcome: message }, payload);
        } else say({ t: "done", no, outcome });
      },
      lost() {
        calls.delete(no);
        say({ t: "lost", no });
      },
    };
  }

  const leave = id === undefined ? undefined : callers.join(id, (runId) => say({ t: "meet", runId }));
  socket.on("data", (chunk: Buffer) => {
    try {
      decoder.push(chunk);
    } catch {
      socket.destroy();
    }
  });
  // Sockets of an HTTP server stay half open.
  socket.once("end", () => socket.destroy());
  socket.once("close", () => {
    leave?.();
    for (const { feed, connectionGone } of calls.values()) {
      feed?.leave();
      connectionGone();
    }
    calls.clear();
  });
  return () => writer.flush();
}

function hear(ask: CallerMessage<object>, feed: CallerStream): void {
  switch (ask.t) {
    case "data":
      feed.data(Buffer.from(ask.base64, "base64"));
      break;
    case "end":
      feed.end();
      break;
    case "pull":
      feed.pull(ask.bytes);
      break;
    case "leave":
      feed.leave(ask.cut);
      break;
    default:
      ask satisfies never;
  }
}
