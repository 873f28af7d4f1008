/** The loop against an API that answers as a Bellhop does, whose runs end when they are cancelled. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { json } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { createRecording } from "../../test/support/recording.ts";
import { openSession } from "../session.ts";
import { Output } from "../terminal/output.ts";
import { DevLoop } from "./dev-loop.ts";

type Seen = `asked for run-${number}` | `cancelled run-${number}` | `deployed ${number}` | "refused";

/** Refuses source that says `refused`. */
async function startApi(t: TestContext) {
  const seen = createRecording<Seen>("request");
  const cancelled = new Set<string>();
  let [revisions, runs] = [0, 0];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const send = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const path = request.url!.split("?")[0]!;
    const [, run, what] = /^\/v1\/runs\/(run-\d+)(?:\/(\w+))?$/.exec(path) ?? [];
    if (request.method === "PUT") {
      if (JSON.stringify(await json(request)).includes("refused")) {
        seen.add("refused");
        return send(422, { type: "about:blank", title: "", status: 422, detail: "no", code: "build_failed" });
      }
      seen.add(`deployed ${++revisions}`);
      return send(200, { deployed: { number: revisions } });
    }
    if (path.endsWith("/invoke")) return send(202, { runId: `run-${++runs}` });
    if (what === "logs") return send(200, { items: [] });
    // Of the function: nothing is logged.
    if (run === undefined) return response.writeHead(200).flushHeaders();
    if (what === "cancel") {
      cancelled.add(run);
      seen.add(`cancelled ${run}` as Seen);
    } else seen.add(`asked for ${run}` as Seen);
    const finishedAt = cancelled.has(run) ? "2026-01-01T00:00:00.000Z" : null;
    return send(200, { id: run, state: finishedAt ? "cancelled" : "running", finishedAt });
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("a save cancels the run under way where it makes a new revision, and Enter does", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-dev-loop-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { seen, url } = await startApi(t);
  const told: string[] = [];
  const stdout = new PassThrough().on("data", (text) => told.push(String(text)));
  const end = new AbortController();
  t.after(() => end.abort());
  const { signal } = end;
  const asking = { stdin: process.stdin, stderr: process.stderr, signal };
  const session = openSession(
    { env: {}, cwd: folder, asking, signal, version: "0", now: () => 0 },
    { url, key: "key", namespace: undefined, profile: undefined },
    new Output({ stdout, stderr: new PassThrough(), env: {}, json: true }),
  );
  const path = join(folder, "hello.ts");
  const loop = new DevLoop(session, { path, name: "hello", deploy: {}, input: 1, schedule: undefined });
  /** Resolves once the loop has looked at what is wished for, with its run still under way. */
  const settleWith = async (wish: "deploy" | "run", run: Seen) => {
    const before = seen.items.filter((item) => item === run).length;
    loop.wish(wish);
    await seen.waitFor((item) => item === run, { count: before + 2 });
  };
  const save = (text: string) => writeFile(path, text);
  const changes = () => seen.items.filter((item) => !item.startsWith("asked"));

  await save("export default () => 1;\n");
  const ended = assert.rejects(loop.run(), { name: "Interrupted" });
  await seen.waitFor((item) => item === "asked for run-1");

  await settleWith("deploy", "asked for run-1");
  await save("export default (;\n");
  await settleWith("deploy", "asked for run-1");
  assert.match(told.at(-1)!, /"code":"build_failed"/);
  await save("export default () => 'refused';\n");
  await settleWith("deploy", "asked for run-1");
  assert.deepEqual(changes(), ["deployed 1", "refused"]);

  await save("export default () => 2;\n");
  loop.wish("deploy");
  await seen.waitFor((item) => item === "asked for run-2");
  loop.wish("run");
  await seen.waitFor((item) => item === "asked for run-3");
  assert.deepEqual(changes(), ["deployed 1", "refused", "deployed 2", "cancelled run-1", "cancelled run-2"]);

  end.abort();
  await ended;
});
