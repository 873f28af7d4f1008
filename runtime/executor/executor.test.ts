/** The child process itself, spoken to over its pipe. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { spawnExecutor } from "../sandbox/executor-command.ts";
import { FrameDecoder, FrameWriter } from "../sandbox/frames.ts";
import {
  type ChildMessage,
  MAX_CHILD_FRAME_BYTES,
  MAX_PARENT_FRAME_BYTES,
  readChildMessage,
} from "../sandbox/protocol.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../sandbox/settings.ts";
import { authorFrames } from "./author-frames.ts";
import type { GuestIsolate } from "./guest-isolate.ts";
import { IsolatePool } from "./isolate-pool.ts";

function startExecutor(t: TestContext) {
  const child = spawnExecutor(DEFAULT_SANDBOX_SETTINGS);
  t.after(() => child.kill("SIGKILL"));
  const pipe = child.stdio[3] as Socket;
  const messages: ChildMessage[] = [];
  const watchers = new Set<() => void>();
  const decoder = new FrameDecoder(MAX_CHILD_FRAME_BYTES, (text) => {
    const message = readChildMessage(text);
    assert.ok(message, text);
    messages.push(message);
    for (const watcher of watchers) watcher();
  });
  pipe.on("data", (chunk: Buffer) => decoder.push(chunk));
  pipe.on("error", () => {});
  const next = (kind: ChildMessage["t"]) =>
    new Promise<ChildMessage>((resolve) => {
      const look = () => {
        const found = messages.find((message) => message.t === kind);
        if (found) resolve(found);
      };
      watchers.add(look);
      look();
    });
  return { child, pipe, out: new FrameWriter(pipe, MAX_PARENT_FRAME_BYTES), next };
}

function invoke(out: FrameWriter, body: string): void {
  out.write({ t: "load", revisionId: "r", code: `exports.default = () => { ${body} }` });
  const facts = JSON.stringify({ runId: "r", attempt: 1, scheduledFor: 0, deadlineAt: 0, env: {} });
  out.write({ t: "invoke", id: 1, revisionId: "r", input: "null", facts, memoryMb: 64, wallMs: 60_000 });
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  const [, signal] = await once(child, "exit");
  return signal;
}

describe("an executor", () => {
  test("answers and runs what it is sent", async (t) => {
    const { out, next } = startExecutor(t);
    await next("ready");
    invoke(out, "return 'hello'");
    const result = await next("result");
    assert.deepEqual(result, {
      t: "result",
      id: 1,
      result: '"hello"',
      droppedLines: 0,
      reused: false,
      recycle: false,
    });
  });

  test("ends by itself when its worker is gone, whatever runs in it", async (t) => {
    const { child, pipe, out, next } = startExecutor(t);
    await next("ready");
    invoke(out, "console.log('here'); let b = 3n; for (;;) b = b * b;");
    await next("log");
    const ended = exitOf(child);
    pipe.destroy();
    assert.equal(await ended, "SIGKILL");
  });

  test("has the right to read its own sources, no other right, and no environment", async (t) => {
    const { child, next } = startExecutor(t);
    await next("ready");
    const flags = child.spawnargs.filter((argument) => argument.startsWith("--allow"));
    const readable = flags.filter((flag) => flag.startsWith("--allow-fs-read="));
    assert.deepEqual(
      flags.filter((flag) => !readable.includes(flag)),
      ["--allow-addons"],
    );
    for (const flag of readable)
      assert.match(flag, /\/(runtime\/(executor|sandbox)|functions\/guest)\/[a-z-]+\.(ts|js)$/);
    if (process.platform === "linux") assert.equal(await readFile(`/proc/${child.pid}/environ`, "utf8"), "");
  });

  test("ends at a frame that is too long", async (t) => {
    const { child, pipe, next } = startExecutor(t);
    await next("ready");
    const ended = exitOf(child);
    pipe.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    assert.equal(await ended, "SIGKILL");
  });
});

test("authorFrames keeps the author's lines alone", () => {
  const stack = [
    "TypeError: at first sight",
    "    at deep (function.js:2:9)",
    "    at Array.map (<anonymous>)",
    "    at execute (bellhop:prelude:61:27)",
    "    at async outer (function.js:5:3)",
    "    at (<isolated-vm boundary>)",
    "    at process (node:internal/process:95:5)",
  ].join("\n");
  assert.equal(authorFrames(stack), "at deep (function.js:2:9)\nat async outer (function.js:5:3)");
  assert.equal(authorFrames("no stack"), "");
});

describe("IsolatePool", () => {
  const limits = { maxIdle: 2, maxIdleMs: 100, maxWarmRssBytes: 1_000 };
  const isolate = (revisionId: string, idleSince = 0, memoryMb = 64) => {
    const stub = { revisionId, memoryMb, idleSince, evicted: false, evict() {} };
    stub.evict = () => {
      stub.evicted = true;
    };
    return stub as typeof stub & GuestIsolate;
  };

  test("gives back the isolate of the same revision and memory, the latest first", () => {
    const pool = new IsolatePool(limits, () => 0);
    const [first, second] = [isolate("a"), isolate("a")];
    pool.give(first);
    pool.give(second);
    assert.equal(pool.take("b", 64), undefined);
    assert.equal(pool.take("a", 128), undefined);
    assert.equal(pool.take("a", 64), second);
    assert.equal(pool.take("a", 64), first);
    assert.equal(pool.take("a", 64), undefined);
  });

  test("keeps so many, so long, and none while memory is short", () => {
    let rssBytes = 0;
    const pool = new IsolatePool(limits, () => rssBytes);
    const isolates = [isolate("a", 0), isolate("b", 0), isolate("c", 90)];
    for (const each of isolates) pool.give(each);
    assert.deepEqual(
      isolates.map(({ evicted }) => evicted),
      [true, false, false],
    );
    pool.sweep(101);
    assert.deepEqual(
      isolates.map(({ evicted }) => evicted),
      [true, true, false],
    );
    rssBytes = 1_001;
    pool.sweep(102);
    assert.equal(isolates[2]!.evicted, true);
    assert.equal(pool.size, 0);
  });

  test("drops the isolates of a revision", () => {
    const pool = new IsolatePool(limits, () => 0);
    const [a, b] = [isolate("a"), isolate("b")];
    pool.give(a);
    pool.give(b);
    pool.drop("a");
    assert.deepEqual([a.evicted, b.evicted, pool.size], [true, false, 1]);
  });
});
