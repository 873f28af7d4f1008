/** Following a function's log through dropped connections, while many runs write it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, startCluster } from "./cluster.ts";
import type { Listed } from "./runs.ts";

const RUNS = 100;
const LINES_OF_A_RUN = 500;
const LINES = RUNS * LINES_OF_A_RUN;
/** The followers leave in the middle of what they are reading, each after so many lines. */
const DROPS_AFTER = [1, 777, 5_000, 12_345, 12_346, 30_001, 49_999];
const PATH = "/v1/functions/chatter/logs";

const SOURCE = `export default ({ run }, ctx) => {
  for (let line = 0; line < ${LINES_OF_A_RUN}; line += 1) ctx.log.info("line", { run, line });
}`;

const THROWER = `export default () => { throw new Error("not saved", { cause: new Error("no room") }); }`;

interface Line {
  id: string;
  runId: string;
  fields: { run: number; line: number };
}

/** How a follower asks, goes on after a line, and reads one. */
interface Format {
  separator: string;
  accept: string;
  goOnAfter(id: string): { query?: string; headers?: Record<string, string> };
  /** Undefined for a sign that the stream is there. */
  parse(text: string): Line | undefined;
}

const FORMATS: Record<string, Format> = {
  "server-sent events with Last-Event-ID": {
    separator: "\n\n",
    accept: "text/event-stream",
    goOnAfter: (id) => ({ headers: { "last-event-id": id } }),
    parse(text) {
      const [, id, data] = /^id: (\S+)\ndata: (.*)$/.exec(text) ?? [];
      return data === undefined ? undefined : { ...(JSON.parse(data) as Line), id: id! };
    },
  },
  "NDJSON with after": {
    separator: "\n",
    accept: "application/x-ndjson",
    goOnAfter: (id) => ({ query: `&after=${id}` }),
    parse: (text) => (text === "" ? undefined : (JSON.parse(text) as Line)),
  },
};

describe("following a log", () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ schedulers: 0, workers: 1 });
    const limits = { logLines: LINES_OF_A_RUN };
    await cluster.api.call("PUT", "/v1/functions/chatter", { source: SOURCE, limits });
  });
  after(() => cluster?.stop());

  /** What one connection brings until the reader leaves it after `count` lines. */
  async function* readOnce(
    { separator, accept, goOnAfter, parse }: Format,
    lastId: string | undefined,
    path = `${PATH}?follow=true`,
  ) {
    const { query = "", headers = {} } = lastId === undefined ? {} : goOnAfter(lastId);
    const leave = new AbortController();
    const response = await fetch(`${cluster.api.url}${path}${query}`, {
      headers: { authorization: `Bearer ${cluster.api.key}`, accept, ...headers },
      signal: leave.signal,
    });
    assert.equal(response.status, 200);
    yield "connected";
    let text = "";
    try {
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        const texts = (text + part).split(separator);
        text = texts.pop()!;
        for (const line of texts.map(parse)) if (line) yield line;
      }
    } finally {
      leave.abort();
    }
  }

  /** All lines, over as many connections as drop. */
  async function follow(format: Format, onConnect: () => void): Promise<Line[]> {
    const seen: Line[] = [];
    while (seen.length < LINES) {
      const leaveAfter = DROPS_AFTER.find((count) => count > seen.length) ?? LINES;
      for await (const line of readOnce(format, seen.at(-1)?.id)) {
        if (line === "connected") onConnect();
        else seen.push(line as Line);
        if (seen.length === leaveAfter) break;
      }
    }
    return seen;
  }

  async function writeLines(): Promise<void> {
    for (let run = 0; run < RUNS; run += 1) {
      const response = await fetch(`${cluster.api.url}/v1/functions/chatter/invoke`, {
        method: "POST",
        headers: { authorization: `Bearer ${cluster.api.key}`, prefer: "respond-async" },
        body: JSON.stringify({ run }),
      });
      assert.equal(response.status, 202, await response.text());
    }
  }

  it(`brings each of ${LINES} lines once, in order per run, through dropped connections`, async (t) => {
    const start = Date.now();
    const connected: Promise<void>[] = [];
    const followers = Object.entries(FORMATS).map(async ([name, format]) => {
      const first = Promise.withResolvers<void>();
      connected.push(first.promise);
      return { name, lines: await follow(format, first.resolve) };
    });
    await Promise.all(connected);
    await writeLines();
    for (const { name, lines } of await Promise.all(followers)) {
      assert.equal(new Set(lines.map(({ id }) => id)).size, LINES, `${name}: an id came twice`);
      const nextLines = new Array<number>(RUNS).fill(0);
      for (const { fields } of lines) {
        assert.equal(fields.line, nextLines[fields.run], `${name}: run ${fields.run} out of order`);
        nextLines[fields.run]! += 1;
      }
      assert.deepEqual(nextLines, new Array(RUNS).fill(LINES_OF_A_RUN), `${name}: lines are missing`);
    }
    t.diagnostic(
      `${LINES} lines to ${followers.length} followers with ${DROPS_AFTER.length} drops each in ${Date.now() - start} ms`,
    );
  });

  for (const [name, format] of Object.entries(FORMATS)) {
    it(`brings the error of a function that throws, as ${name}`, async () => {
      const { api } = cluster;
      const path = `/v1/functions/thrower/logs?follow=true&level=error`;
      await api.call("PUT", "/v1/functions/thrower", { source: THROWER });
      const reading = readOnce(format, undefined, path);
      assert.equal((await reading.next()).value, "connected");
      await assert.rejects(api.call("POST", "/v1/functions/thrower/invoke"));
      const { value } = await reading.next();
      const { level, message } = value as unknown as { level: string; message: string };
      await reading.return(undefined);
      assert.equal(level, "error");
      assert.match(message, /^Error: not saved\n {4}at default \(index\.ts:1:\d+\)\n.*Error: no room/s);
    });
  }

  it("says what was dropped of a run that logs more than it may", async () => {
    const { api } = cluster;
    const source =
      "export default (_, ctx) => { for (let line = 0; line < 20; line += 1) ctx.log.info(`line ${line}`); }";
    await api.call("PUT", "/v1/functions/flood", { source, limits: { logLines: 5 } });
    await api.call("POST", "/v1/functions/flood/invoke");
    const { items } = await api.call<Listed<{ level: string; message: string }>>(
      "GET",
      "/v1/functions/flood/logs",
    );
    const [last, ...kept] = items;
    assert.deepEqual(
      kept.map(({ message }) => message),
      ["line 4", "line 3", "line 2", "line 1", "line 0"],
    );
    assert.match(last!.message, /^15 more log lines were dropped/);
  });
});
