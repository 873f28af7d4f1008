/** The live parts of `bellhop`, in a real terminal: what stands on the screen, which keys do what, how Ctrl-C ends it. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { buildProgram, createUser, PROGRAM, type User } from "./program.ts";
import {
  CTRL_C,
  demandTerminal,
  ENTER,
  lackOfTerminal,
  startInTerminal,
  type TerminalProgram,
} from "./terminal.ts";

const INTERRUPTED = 130;
const SECRETS_KEY = Buffer.alloc(32, 7).toString("base64");

describe("bellhop in a terminal", { skip: lackOfTerminal() }, () => {
  let cluster: Cluster;
  let user: User;

  before(async () => {
    demandTerminal();
    await buildProgram();
    cluster = await startCluster({ schedulers: 1, workers: 1, env: { BELLHOP_SECRETS_KEY: SECRETS_KEY } });
    user = await createUser({});
  });
  after(async () => {
    await cluster?.stop();
    await user?.leave();
  });

  function start(args: string[], env: Record<string, string> = {}): TerminalProgram {
    const options = { env: { ...user.env, ...env }, cwd: user.folder };
    return startInTerminal([process.execPath, PROGRAM, ...args], options);
  }

  test("login asks for the address and the key, and never shows the key", async () => {
    const login = start(["login"]);
    await login.waitForScreen(/Address \[http:\/\/127\.0\.0\.1:8080\]:$/m);
    login.type(cluster.api.url + ENTER);
    await login.waitForScreen(/Key for http/);
    login.type(cluster.api.key + ENTER);
    await login.waitForScreen(/Signed in at .* as admin, namespace default/);
    assert.equal(await login.exited, 0);
    assert.ok(!login.written().includes(cluster.api.key), login.written());
    assert.match(await readFile(join(user.folder, ".config/bellhop/profiles.json"), "utf8"), /bh_/);
  });

  test("Ctrl-C at a question ends with 130, and leaves what was as it was", async () => {
    const login = start(["login", "--profile", "other", "--url", cluster.api.url]);
    await login.waitForScreen(/Key for http/);
    login.type(CTRL_C);
    assert.equal(await login.exited, INTERRUPTED);
    assert.doesNotMatch(await readFile(join(user.folder, ".config/bellhop/profiles.json"), "utf8"), /other/);
    assert.doesNotMatch(login.screen(), /Error/);
  });

  test("a question takes y, and nothing else for it", async () => {
    await writeFile(join(user.folder, "gone.ts"), "export default () => 1;\n");
    assert.equal((await user.run(["deploy", "gone.ts"])).code, 0);
    const first = start(["functions", "remove", "gone"]);
    await first.waitForScreen(/Remove the function gone\? \[y\/N\]/);
    first.type(ENTER);
    await first.waitForScreen(/Nothing was changed/);
    assert.equal(await first.exited, 1);
    const second = start(["functions", "remove", "gone"]);
    await second.waitForScreen(/\[y\/N\]/);
    second.type(`y${ENTER}`);
    await second.waitForScreen(/gone is removed/);
    assert.equal(await second.exited, 0);
  });

  test("a secret is typed unseen", async () => {
    const set = start(["secrets", "set", "TYPED"]);
    await set.waitForScreen(/Value of TYPED:/);
    set.type(`hidden-value${ENTER}`);
    await set.waitForScreen(/TYPED is set/);
    assert.equal(await set.exited, 0);
    assert.ok(!set.written().includes("hidden-value"));
  });

  test("logs -f shows lines as they come, failures with their stacks, and ends by Ctrl-C", async () => {
    const source = `export default (input: { fail?: boolean }) => {
  console.log("called");
  if (input.fail) throw new Error("no luck", { cause: new Error("bad weather") });
  return 1;
};
`;
    await writeFile(join(user.folder, "talker.ts"), source);
    assert.equal((await user.run(["deploy", "talker.ts"])).code, 0);
    const logs = start(["logs", "talker", "-f"]);
    await logs.waitForScreen(/Following the log of talker/);
    await user.run(["invoke", "talker", "{}"]);
    await logs.waitForScreen(/INFO {2}called/);
    await user.run(["invoke", "talker", '{"fail": true}']);
    // A screen is drawn as the bytes come: the first of several lines may stand there alone for a moment.
    await logs.waitForScreen(/ERROR Error: no luck(.|\n)*at .*talker\.ts:3:\d+(.|\n)*bad weather/);
    logs.type(CTRL_C);
    assert.equal(await logs.exited, INTERRUPTED);
    assert.doesNotMatch(logs.screen().replaceAll(/ERROR Error/g, ""), /AbortError|at async/);
  });

  test("runs watch follows a run through its states, in colours unless NO_COLOR is set", async () => {
    const held = await user
      .json<{ paused: boolean }>(["queues", "set", "held"])
      .then(() => user.json<{ paused: boolean }>(["queues", "pause", "held"]));
    assert.equal(held.paused, true);
    const { runId } = await user.json<{ runId: string }>([
      "invoke",
      "talker",
      "{}",
      "--async",
      "--queue",
      "held",
    ]);
    const watch = start(["runs", "watch", runId]);
    const plain = start(["runs", "watch", runId], { NO_COLOR: "1" });
    await watch.waitForScreen(/queued \(waits for paused\)/);
    await plain.waitForScreen(/queued \(waits for paused\)/);
    await user.run(["queues", "resume", "held"]);
    await watch.waitForScreen(/succeeded\n.*INFO {2}called/);
    assert.equal(await watch.exited, 0);
    assert.equal(await plain.exited, 0);
    assert.match(watch.written(), /␛\[32msucceeded/);
    assert.doesNotMatch(plain.written(), /␛\[\d+m/);
  });

  test("bulk draws its progress, and says how it goes on when somebody leaves", async () => {
    await user.run(["queues", "pause", "held"]);
    const nightly = ["--key", "nightly", "--function", "talker", "--cron", "0 * * * *", "--queue", "held"];
    assert.equal((await user.run(["tasks", "create", ...nightly])).code, 0);
    const span = ["--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z"];
    // One after another, and none of them starts: it is under way until it is aborted.
    const fill = start(["tasks", "backfill", "nightly", ...span, "--overlap", "wait"]);
    await fill.waitForScreen(/Make 24 runs of nightly\?/);
    fill.type(`y${ENTER}`);
    await fill.waitForScreen(/backfill [█░]{24} \d of 24/);
    fill.type(CTRL_C);
    const screen = await fill.waitForScreen(/bellhop bulk abort (\S+) stops it/);
    assert.equal(await fill.exited, INTERRUPTED);
    const id = /bulk abort (\S+)/.exec(screen)![1]!;
    assert.match((await user.run(["bulk", "abort", id])).stdout, /backfill is aborted/);
  });

  test("top is a view of its own that lives, and gives the terminal back", async () => {
    const top = start(["top"]);
    await top.waitForScreen(/bellhop top {2}http(.|\n)*workers {3}1, \d+ of 100 slots(.|\n)*q ends it/);
    await user.run(["invoke", "talker", "{}"]);
    await top.waitForScreen(/succeeded +talker/);
    await top.waitForScreen(/1 started, 1 succeeded, 0 failed/);
    top.type("q");
    assert.equal(await top.exited, 0);
    assert.match(top.written(), /␛\[\?1049h.*␛\[\?1049l$/s);
    const other = start(["top"]);
    await other.waitForScreen(/q ends it/);
    other.type(CTRL_C);
    assert.equal(await other.exited, INTERRUPTED);
    assert.match(other.written(), /␛\[\?25h␛\[\?1049l$/);
  });
});
