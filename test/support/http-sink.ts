/** A real HTTP server on loopback that records what it is sent and answers as the test says. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createRecording, type WaitOptions } from "./recording.ts";

export interface SinkRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
  /** As UTF-8. */
  body: string;
  rawBody: Buffer;
  /** When its body had arrived, in epoch ms. */
  at: number;
}

export interface SinkReply {
  /** Default 200. */
  status?: number;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
  /** Answers so much later. */
  delayMs?: number;
  /** Breaks the connection instead of answering. */
  drop?: boolean;
}

export interface HttpSink {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  url: string;
  port: number;
  requests: SinkRequest[];
  /** Set it to say how to answer; default: 200 with an empty body. */
  reply: (request: SinkRequest) => SinkReply | Promise<SinkReply>;
  /** The first `count` requests that match, past ones included. */
  waitFor(matches: (request: SinkRequest) => boolean, options?: WaitOptions): Promise<SinkRequest[]>;
  /** Ends open connections too, answered or not. */
  close(): Promise<void>;
}

export async function createHttpSink(reply: HttpSink["reply"] = () => ({})): Promise<HttpSink> {
  const recording = createRecording<SinkRequest>("request");
  const closing = new AbortController();
  const answer = async (request: SinkRequest, response: ServerResponse) => {
    const { status = 200, headers = {}, body = "", delayMs = 0, drop = false } = await sink.reply(request);
    if (delayMs > 0) await delay(delayMs, undefined, { signal: closing.signal });
    if (drop) response.destroy();
    else response.writeHead(status, headers).end(body);
  };
  const server = createServer(async (incoming, response) => {
    try {
      const rawBody = Buffer.concat(await incoming.toArray());
      const { method = "", url = "", headers } = incoming;
      const request = { method, url, headers, rawBody, body: rawBody.toString("utf8"), at: Date.now() };
      recording.add(request);
      await answer(request, response);
    } catch {
      // The client went away, the sink is closing, or the test's reply threw: there is no answer.
      response.destroy();
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const sink: HttpSink = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: recording.items,
    reply,
    waitFor: recording.waitFor,
    async close() {
      recording.end("the sink was closed.");
      closing.abort();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return sink;
}
