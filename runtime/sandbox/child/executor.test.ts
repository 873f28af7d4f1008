/** The child process itself, spoken to over its pipe. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { FrameDecoder, FrameWriter } from "../../../core/frames.ts";
import { spawnExecutor, standingWalls } from "../parent/executor-command.ts";
import { killTree } from "../parent/holding-processes.ts";
import { readChildMessage } from "../parent/read-child-message.ts";
import {
  type ChildMessage,
  MAX_CHILD_FRAME_BYTES,
  MAX_PARENT_FRAME_BYTES,
  type ResultMessage,
} from "../protocol/messages.ts";
import { DEFAULT_SANDBOX_SETTINGS } from "../settings.ts";
import { authorFrames } from "./author-frames.ts";
import { shareOfCpu } from "./run-watch.ts";

await standingWalls().tryOut();

function startExecutor(t: TestContext) {
  const child = spawnExecutor(DEFAULT_SANDBOX_SETTINGS);
  t.after(() => killTree(child.pid!, child.pid!));
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
  /** The first message of a kind, or the nth. */
  const next = (kind: ChildMessage["t"], nth = 1) =>
    new Promise<ChildMessage>((resolve) => {
      const look = () => {
        const found = messages.filter((message) => message.t === kind)[nth - 1];
        if (found) resolve(found);
      };
      watchers.add(look);
      look();
    });
  return { child, pipe, out: new FrameWriter(pipe, MAX_PARENT_FRAME_BYTES), next, messages };
}

function invoke(out: FrameWriter, body: string, count = 1, wallMs = 60_000): void {
  out.write({ t: "load", revisionId: "r", code: `exports.default = (input, ctx) => { ${body} }` });
  const runs = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    wallMs,
    cpuMs: 60_000,
  }));
  const facts = {
    runId: "r",
    attempt: 1,
    scheduledFor: 0,
    deadlineAt: 0,
    env: {},
    logLines: 10,
    resultBytes: 1_000,
  };
  const starts = JSON.stringify(runs.map(({ id }) => [id, id, facts]));
  const batch = { runs, startsChars: starts.length };
  out.write({ t: "invoke", revisionId: "r", memoryMb: 64, reuse: true, ...batch }, starts);
}

async function exitOf(child: ChildProcess): Promise<void> {
  await once(child, "exit");
}

describe("an executor", () => {
  test("answers and runs what it is sent", async (t) => {
    const { out, next } = startExecutor(t);
    await next("ready");
    invoke(out, "return 'hello'");
    const { ranMs, loadMs, heldBytes, ...result } = (await next("result")) as ResultMessage;
    assert.ok(ranMs! >= 0 && loadMs! > 0 && heldBytes! > 0);
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
    await ended;
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
    assert.deepEqual(
      readable.map((flag) => /[^/]+$/.exec(flag)?.[0]),
      ["loader.cjs", "executor.cjs", "guest.snapshot", "node-modules.json"],
    );
    if (process.platform === "linux") assert.equal(await readFile(`/proc/${child.pid}/environ`, "utf8"), "");
  });

  test("ends at a frame that is too long", async (t) => {
    const { child, pipe, next } = startExecutor(t);
    await next("ready");
    const ended = exitOf(child);
    pipe.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await ended;
  });
});

test("authorFrames keeps the author's lines alone", () => {
  const stack = [
    "TypeError: at first sight",
    "    at deep (function.js:2:9)",
    "    at Array.map (<anonymous>)",
    "    at execute (bellhop:guest:61:27)",
    "    at async outer (function.js:5:3)",
    "    at (<isolated-vm boundary>)",
    "    at process (node:internal/process:95:5)",
  ].join("\n");
  assert.equal(authorFrames(stack), "at deep (function.js:2:9)\nat async outer (function.js:5:3)");
  assert.equal(authorFrames("no stack"), "");
});

describe("a batch", () => {
  test("is run one after another in one isolate", async (t) => {
    const { out, next, messages } = startExecutor(t);
    await next("ready");
    invoke(out, "globalThis.seen = [...(globalThis.seen ?? []), input]; return globalThis.seen;", 3);
    await next("result", 3);
    const results = messages.filter((message) => message.t === "result");
    assert.deepEqual(
      results.map(({ id, result, reused }) => ({ id, result, reused })),
      [
        { id: 1, result: "[1]", reused: false },
        { id: 2, result: "[1,2]", reused: true },
        { id: 3, result: "[1,2,3]", reused: true },
      ],
    );
  });

  test("says of a rejection that nobody handled that it may be an earlier run's, and asks to run alone", async (t) => {
    const { out, next, messages } = startExecutor(t);
    await next("ready");
    invoke(out, "if (input === 1) Promise.reject(new Error('x')); return input;", 2);
    const last = (await next("result", 2)) as ResultMessage;
    const lines = messages.filter((message) => message.t === "log");
    assert.deepEqual(
      lines.map(({ id, level, message }) => [id, level, message.split("\n")[0]]),
      [[2, "error", "Unhandled rejection (in this run or one just before it): Error: x"]],
    );
    assert.equal(last.waited, true);
  });

  test("gives back the runs behind one that waits", async (t) => {
    const { out, next, messages } = startExecutor(t);
    await next("ready");
    const body =
      "console.log(input); return input === 2 ? new Promise((done) => setTimeout(done, 50, 2)) : input;";
    invoke(out, body, 4);
    await next("result", 2);
    const said = messages.flatMap((message) => {
      if (message.t === "unstarted") return message.ids.map((id) => `unstarted ${id}`);
      if (message.t === "log") return [`log ${message.message}`];
      return message.t === "result" ? [`result ${message.id}`] : [];
    });
    assert.deepEqual(said, ["log 1", "result 1", "log 2", "unstarted 3", "unstarted 4", "result 2"]);
  });

  test("gives back the runs behind one whose timer comes while its first entry is still on the thread", async (t) => {
    const { out, next, messages } = startExecutor(t);
    await next("ready");
    const work = "const end = Date.now() + 60; while (Date.now() < end);";
    invoke(
      out,
      `if (input !== 2) return input; const due = new Promise((r) => setTimeout(r, 1)); ${work} return due.then(() => 2);`,
      3,
    );
    await next("result", 2);
    await next("unstarted");
    assert.ok(messages.every((message) => message.t !== "result" || message.result !== undefined));
  });

  test("goes on behind a run that failed from a microtask and never settles its promise", async (t) => {
    const { out, next } = startExecutor(t);
    await next("ready");
    const failing = "queueMicrotask(() => { throw new Error('x'); }); return new Promise(() => {});";
    invoke(out, `if (input === 1) { ${failing} } return input;`, 2);
    const [first, second] = [await next("result"), await next("result", 2)] as ResultMessage[];
    assert.deepEqual([first!.code, second!.result], ["function_error", "2"]);
  });

  const spoiling: [how: string, body: string, code: string | undefined][] = [
    ["asked for something and did not wait for it", "ctx.kv.get('a'); return 1;", undefined],
    [
      ...([
        "found no memory for a buffer",
        "const all = []; for (;;) all.push(new Uint8Array(1e6));",
      ] as const),
      "function_memory_exceeded",
    ],
  ];
  for (const [how, body, code] of spoiling)
    test(`gives back the runs behind one that ${how} before they begin, and asks to run alone`, async (t) => {
      const { out, next, messages } = startExecutor(t);
      await next("ready");
      invoke(out, `if (input === 1) { ${body} } for (;;);`, 3);
      const first = (await next("result")) as ResultMessage;
      assert.deepEqual([first.id, first.code, first.recycle, first.waited], [1, code, false, true]);
      const back = messages.flatMap((message) => (message.t === "unstarted" ? message.ids : []));
      assert.deepEqual(back, [2, 3]);
    });

  test("asks to be replaced after a run that went on past its deadline, though it had a result", async (t) => {
    const { out, next } = startExecutor(t);
    await next("ready");
    const spin = "(async () => { for (let i = 0; i < 9; i++) await null; for (;;); })();";
    invoke(out, `${spin} return input;`, 1, 300);
    const { result, recycle } = (await next("result")) as ResultMessage;
    assert.deepEqual([result, recycle], ["1", true]);
  });

  test("gives back the runs behind one that ends the isolate", async (t) => {
    const { out, next, messages } = startExecutor(t);
    await next("ready");
    invoke(
      out,
      "if (input === 2) { const all = []; for (;;) all.push(new Array(1e5).fill(input)); } return input;",
      3,
    );
    await next("result", 2);
    assert.deepEqual(
      messages.filter((message) => message.t === "unstarted"),
      [{ t: "unstarted", ids: [3] }],
    );
    const dead = messages.find((message) => message.t === "result" && message.id === 2);
    assert.ok(dead?.t === "result" && dead.code === "function_memory_exceeded" && dead.reused);
  });

  const failing: [how: string, code: string][] = [
    ["throws while it loads", "throw new RangeError('not today')"],
    [
      "has something thrown elsewhere while it waits at its top level",
      `module.ready = (async () => {
        queueMicrotask(() => { throw new RangeError('not today'); });
        for (let i = 0; i < 9; i++) await null;
        exports.default = () => 1;
      })();`,
    ],
  ];
  for (const [how, code] of failing)
    test(`whose script ${how} fails its first run and gives back the others`, async (t) => {
      const { out, next, messages } = startExecutor(t);
      await next("ready");
      out.write({ t: "load", revisionId: "r", code });
      const runs = [1, 2].map((id) => ({ id, wallMs: 60_000, cpuMs: 60_000 }));
      const starts = JSON.stringify(
        runs.map(({ id }) => [id, null, { env: {}, logLines: 0, resultBytes: 100 }]),
      );
      const batch = { runs, startsChars: starts.length };
      out.write({ t: "invoke", revisionId: "r", memoryMb: 64, reuse: true, ...batch }, starts);
      const failure = await next("result");
      assert.ok(failure.t === "result" && failure.name === "RangeError" && failure.message === "not today");
      assert.deepEqual(messages.filter((message) => message.t === "unstarted").length, 1);
    });
});

test("shareOfCpu shares out a process's time, and no thread's more than it had", () => {
  assert.equal(shareOfCpu(10, 10, 20), 5);
  assert.equal(shareOfCpu(30, 10, 20), 10);
  assert.equal(shareOfCpu(0, 10, 10), 0);
});
