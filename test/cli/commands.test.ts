/** The program `bellhop` against real roles, as scripts run it: no terminal, answers and exit codes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { buildProgram, createUser, type User } from "./program.ts";

const SECRETS_KEY = Buffer.alloc(32, 7).toString("base64");
const ROOT = join(import.meta.dirname, "..", "..");

let cluster: Cluster;
let user: User;

before(async () => {
  await buildProgram();
  cluster = await startCluster({ schedulers: 1, workers: 1, env: { BELLHOP_SECRETS_KEY: SECRETS_KEY } });
  user = await createUser({});
});
after(async () => {
  await cluster?.stop();
  await user?.leave();
});

const write = (path: string, text: string) => writeFile(join(user.folder, path), text);

/** Ended so, having said that. */
async function refused(args: string[], code: number, says: RegExp, options = {}) {
  const ended = await user.run(args, options);
  assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
  assert.match(ended.stderr, says);
  return ended;
}

async function done(args: string[], says: RegExp = /(?:)/, options = {}) {
  const ended = await user.run(args, options);
  assert.equal(ended.code, 0, `${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
  assert.match(ended.stdout, says);
  return ended;
}

test("who is not signed in is told so, and who gives no key or a wrong one is refused", async () => {
  await refused(["whoami"], 3, /not signed in\.\nbellhop login/);
  await refused(["login", "--url", cluster.api.url], 2, /No key was given/);
  await refused(["login", "--url", cluster.api.url], 2, /begins with bh_/, { input: "password" });
  await refused(["login", "--url", cluster.api.url], 3, /Error: /, { input: "bh_0000000000000000" });
  await refused(["login", "--url", "http://127.0.0.1:1"], 5, /Nobody answers at/, { input: cluster.api.key });
  await refused(["whoami"], 3, /not signed in/);
});

test("a login keeps the key where only its owner reads it, and sends it nowhere else", async () => {
  await done(["login", "--url", cluster.api.url], /as admin, namespace default/, {
    input: `${cluster.api.key}\n`,
  });
  const path = join(user.folder, ".config", "bellhop", "profiles.json");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual((await user.json<{ scopes: string[] }>(["whoami"])).scopes, ["operator"]);
  await refused(["whoami", "--url", "http://127.0.0.1:1"], 2, /its key is not sent to http:\/\/127.0.0.1:1/);
  await refused(["whoami", "--profile", "other"], 3, /no profile "other"/);
  await refused(["whoami"], 3, /no profile "other", which BELLHOP_PROFILE names/, {
    env: { BELLHOP_PROFILE: "other" },
  });
  await done(["login", "--profile", "other", "--url", cluster.api.url], /Signed in/, {
    input: cluster.api.key,
  });
  await done(["profiles"], /\* {2}other/);
  await done(["profiles", "use", "default"]);
  await done(["logout", "--profile", "other"], /stays valid/);
  assert.doesNotMatch(await readFile(path, "utf8"), /other/);
  const env = { BELLHOP_URL: cluster.api.url, BELLHOP_API_KEY: "bh_0000000000000000" };
  await refused(["whoami"], 3, /valid key|bellhop login/, { env });
});

test("a wrong command line is told what is wrong, and ends with 2", async () => {
  await refused(["taks"], 2, /unknown command 'taks'\n\(Did you mean tasks\?\)/);
  await refused(["tasks", "next"], 2, /missing required argument 'task'/);
  await refused(["runs", "list", "--limit", "none"], 2, /whole number from 1/);
  await refused(["invoke", "hello", "{name}"], 2, /The input is not JSON/);
  await refused(["tasks", "create"], 2, /Say what the task does/);
  await refused(["tasks", "create", "--function", "hello", "--body", "1"], 2, /--body is for.*\n.*--input/);
  await refused(
    ["tasks", "create", "--http", "http://x", "--cron", "* * * * *", "--every", "1m"],
    2,
    /exclude each other/,
  );
  await refused(["logs"], 2, /Name a function/);
  await refused(["open", "nowhere"], 2, /no page "nowhere"/);
  const { code, stdout } = await user.run(["--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /Examples:/);
});

test("init, deploy, invoke, logs: a function with a file beside it, its errors with the author's lines", async () => {
  await done(["init", "hello"], /hello\.test\.ts/);
  await refused(["init", "hello"], 2, /is there already\. Nothing was written/);
  await done(["deploy", "hello/hello.ts", "--dry-run"], /hello is new\.\n {2}\+ hello\.ts/);
  await refused(["invoke", "hello"], 4, /no function "hello"/);
  await done(["deploy", "hello/hello.ts", "--env", "CITY=Rome"], /hello revision 1, 100 % of the traffic/);
  const { stdout, stderr } = await done(["invoke", "hello", '{"name": "Ada"}', "--logs"]);
  assert.deepEqual(JSON.parse(stdout), { hello: "Ada" });
  assert.match(stderr, /INFO {2}greeting name=Ada/);
  await done(["invoke", "hello", "-"], /"hello": "Bob"/, { input: '{"name": "Bob"}' });
  await done(["logs", "hello", "--grep", "Bob"], /greeting name=Bob/);
  await done(["deploy", "hello/hello.ts", "--dry-run"], /nothing changes/);

  await write("broken.ts", "export default () => {\n  const a = ;\n};\n");
  await refused(["deploy", "broken.ts"], 1, /broken\.ts:2:13: Unexpected ";"\n {6}const a = ;\n {16}\^/);
  await write("empty.ts", "export const a = 1;\n");
  await refused(["deploy", "empty.ts"], 1, /has no default export/);
});

test("packages of npm are bundled on this side, and a failure shows its stack and what caused it", async () => {
  await mkdir(join(user.folder, "shop", "node_modules"), { recursive: true });
  await symlink(join(ROOT, "node_modules", "ms"), join(user.folder, "shop", "node_modules", "ms"));
  await write("shop/price.ts", "export const price = (amount: number) => amount * 2;\n");
  await write(
    "shop/index.ts",
    `import ms from "ms";
import { price } from "./price.ts";
export default function charge(input: { amount: number } | null) {
  if (!input) throw new Error("no amount", { cause: new RangeError("nothing given") });
  return { price: price(input.amount), within: ms("2 days") };
}
`,
  );
  await done(["deploy", "shop"], /shop revision 1(.|\n)*1 file, .* built, with ms/);
  assert.deepEqual(await user.json(["invoke", "shop", '{"amount": 3}']), { price: 6, within: 172_800_000 });
  const failed = await refused(
    ["invoke", "shop"],
    1,
    /function_error: no amount\n +at charge \(index\.js:\d+/,
  );
  assert.match(failed.stderr, /caused by RangeError: nothing given/);
  const { stderr } = await refused(["invoke", "shop", "--json"], 1, /"code":"function_error"/);
  const { error } = JSON.parse(stderr);
  await done(["runs", "get", error.problem.runId], /state +failed(.|\n)*function_error/);
  await done(["logs", "shop", "--level", "error"], /ERROR Error: no amount/);
});

test("type errors are told before anything is deployed, where they are not left out", async () => {
  await mkdir(join(user.folder, "typed", "node_modules"), { recursive: true });
  await symlink(
    join(ROOT, "node_modules", "typescript"),
    join(user.folder, "typed", "node_modules", "typescript"),
  );
  const compilerOptions = { lib: ["es5"], types: [], skipLibCheck: true };
  await write("typed/tsconfig.json", JSON.stringify({ compilerOptions }));
  await write("typed/index.ts", 'export default (): number => "one";\n');
  const says = /The source has type errors\.\n {2}index\.ts:1:30: Type 'string' (.|\n)*\^(.|\n)*--no-check/;
  await refused(["deploy", "typed"], 1, says);
  await write("typed/bellhop.yaml", "functions: { typed: { source: . } }\n");
  await refused(["apply", "-f", "typed/bellhop.yaml", "--yes"], 1, says);
  await refused(["functions", "get", "typed"], 4, /no function/);
  await done(["deploy", "typed", "--no-check"], /typed revision 1/);
});

test("traffic, tags and rollback go by the numbers of revisions", async () => {
  await write("split.ts", "export default () => 1;\n");
  await done(["deploy", "split.ts"]);
  await write("split.ts", "export default () => 2;\n");
  await done(["deploy", "split.ts", "--traffic", "10", "--tag", "next"], /revision 2, 10 %/);
  await done(["traffic", "get", "split"], /revision 1 {2}90 %\nrevision 2 {2}10 %\ntag next {2}revision 2/);
  await done(["invoke", "split", "--tag", "next"], /^2$/m);
  await done(["traffic", "set", "split", "2=100"], /revision 2 {2}100 %/);
  await done(["rollback", "split"], /revision 1 {2}90 %/);
  await done(["rollback", "split", "1"], /revision 1 {2}100 %/);
  await done(["traffic", "tag", "split", "old", "1"], /tag old {2}revision 1/);
  await done(["traffic", "untag", "split", "old"]);
  await refused(["traffic", "set", "split", "1=90"], 1, /add up to 100/);
  await refused(["traffic", "set", "split", "1"], 2, /takes NAME=value|share/);
  await done(["functions", "list"], /split +1/);
  await done(["functions", "revisions", "split"], /2 +0 %/);
  await done(["functions", "get", "hello"], /env +CITY/);
  await refused(["functions", "remove", "split"], 2, /no terminal to ask on\.\nPass --yes/);
  await done(["functions", "remove", "split", "--yes"], /split is removed/);
});

test("tasks: made, shown in words, paused, resumed, run, filled in, cancelled", async () => {
  const nightly = [
    "--key",
    "nightly",
    "--function",
    "hello",
    "--cron",
    "30 2 * * *",
    "--timezone",
    "Europe/Rome",
  ];
  await done(["tasks", "create", ...nightly, "--dry-run"], /At 02:30, in Europe\/Rome/);
  await done(
    ["tasks", "create", ...nightly, "--label", "app=cli", "--input", '{"name": "Eve"}'],
    /Task nightly is ready/,
  );
  await refused(["tasks", "create", "--function", "nowhere"], 1, /bellhop functions list/);
  await done(["tasks", "get", "nightly"], /in words +At 02:30(.|\n)*BY ITS ZONE(.|\n)*T02:30:00\+0[12]:00/);
  assert.equal(
    (await user.json<{ items: object[] }>(["tasks", "next", "nightly", "--limit", "3"])).items.length,
    3,
  );
  await done(["tasks", "list", "--label", "app=cli"], /nightly +active +hello +30 2/);
  await done(["upcoming", "--within", "2d"], /TASK(.|\n)*in \d+/);
  await done(["tasks", "pause", "nightly"], /nightly is paused/);
  await done(["tasks", "resume", "nightly"], /nightly is resumed; next run 20/);
  const run = await user.json<{ id: string }>(["tasks", "run", "nightly"]);
  const watched = await done(["runs", "watch", run.id], /succeeded(.|\n)*"hello": "Eve"/);
  assert.match(watched.stdout, /greeting name=Eve/);
  const span = ["--from", "2026-11-01T00:00:00Z", "--to", "2026-11-04T00:00:00Z"];
  await done(["tasks", "backfill", "nightly", ...span, "--dry-run"], /^3 runs would be made/);
  await done(["tasks", "backfill", "nightly", ...span, "--yes"], /backfill succeeded: 3 done, 0 failed/);
  await refused(["tasks", "cancel", "nightly"], 2, /Pass --yes/);
  await done(["tasks", "cancel", "nightly", "--yes"], /nightly is cancelled/);
  await refused(
    ["tasks", "get", "nowhere"],
    4,
    /Error: .*\nWhat to do about it: http.*\/docs\/errors#not_found/,
  );
  await write("task.yaml", `key: from-a-file\ntype: function\nfunction: hello\nschedule: { every: 1h }\n`);
  await done(["tasks", "create", "--file", "task.yaml", "--name", "by hand"], /from-a-file(.|\n)*by hand/);
  await done(["tasks", "remove", "from-a-file", "--yes"], /is removed/);
});

test("what fails: watched to its end, grouped, a dead letter redriven, replayed and discarded", async () => {
  await write(
    "flaky.ts",
    'export default (input: { fail: boolean }) => { if (input.fail) throw new Fatal("no luck"); return "ok"; };\n',
  );
  await done(["deploy", "flaky.ts"]);
  const task = [
    "--key",
    "flaky",
    "--function",
    "flaky",
    "--input",
    '{"fail": true}',
    "--max-attempts",
    "1",
    "--delay",
    "20d",
  ];
  await done(["tasks", "create", ...task]);
  const run = await user.json<{ id: string }>(["tasks", "run", "flaky"]);
  await refused(
    ["runs", "watch", run.id],
    1,
    new RegExp(`The run is dead\\.\\nbellhop dead-letters redrive ${run.id}`),
  );
  await done(["dead-letters"], new RegExp(`${run.id} +dead +flaky`));
  await done(["dead-letters", "redrive", run.id], /is queued/);
  await refused(["runs", "watch", run.id], 1, /The run is dead/);
  await done(["runs", "replay", run.id, "--input", '{"fail": false}', "--watch"], /succeeded(.|\n)*ok/);
  await refused(["dead-letters", "discard"], 2, /Name a run, or give --all/);
  await done(
    ["dead-letters", "discard", "--all", "--function", "flaky", "--yes"],
    /discard succeeded: 1 done/,
  );
  await done(["dead-letters", "list"], /There are no dead letters/);
  await done(["runs", "list", "--function", "flaky", "--state", "failed"], /function_fatal/);
  const { items } = await untilErrors();
  assert.match(items[0]!.code, /^function_fatal$/);
  await done(["errors", "resolve", items[0]!.fingerprint], /function_fatal: resolved/);
  await done(["errors", "list", "--state", "resolved"], /no luck/);
});

/** Failures are counted a second or so after they end. */
async function untilErrors(): Promise<{ items: { fingerprint: string; code: string }[] }> {
  for (;;) {
    const page = await user.json<{ items: { fingerprint: string; code: string }[] }>([
      "errors",
      "list",
      "--function",
      "flaky",
    ]);
    if (page.items.length > 0) return page;
    await pause(200);
  }
}

test("hooks: made for a function or a task, called, listed and deleted", async () => {
  await refused(["hooks", "list"], 2, /a function or a task\.\nName it: --function NAME/);
  const { stdout: address } = await done(
    ["hooks", "create", "--function", "hello", "--name", "shop", "--rate", "60/m"],
    /^(http\S+)?\/hooks\/bhk_\S+\n$/,
  );
  const called = await fetch(new URL(address.trim(), cluster.api.url), { method: "POST", body: "{}" });
  assert.equal(called.status, 202);
  await done(["hooks", "list", "--function", "hello"], /shop +.*60\/1m +default/);
  const { items } = await user.json<{ items: { id: string }[] }>(["hooks", "list", "--function", "hello"]);
  await done(["hooks", "delete", items[0]!.id, "--function", "hello", "--yes"], /is deleted/);
  await done(["hooks", "list", "--function", "hello"], /There is no hook/);

  await done(["tasks", "create", "--key", "hooked", "--function", "hello", "--delay", "10d"]);
  await done(["secrets", "set", "SHOP_SECRET"], /is set/, { input: "s3cr3t-of-the-shop" });
  const signed = ["--task", "hooked", "--verify", "github", "--secret", "SHOP_SECRET"];
  await done(["hooks", "create", ...signed], /\/hooks\/bhk_/);
  await done(["hooks", "list", "--task", "hooked"], /github, SHOP_SECRET/);
  await refused(["hooks", "create", ...signed, "--queue", "mail"], 2, /The task itself sets these: queue/);
  await refused(["hooks", "create", "--task", "hooked", "--secret", "SHOP_SECRET"], 2, /--verify github/);
  await refused(["hooks", "create", "--task", "hooked", "--verify", "none"], 2, /Allowed choices are/);
});

test("queues, secrets and keys", async () => {
  await done(
    ["queues", "set", "mail", "--concurrency", "5", "--rate", "10/1s"],
    /concurrency +5\nrate +10\/1s/,
  );
  await done(["queues", "set", "mail", "--concurrency", "none"], /concurrency +none\nrate +10\/1s/);
  await done(["queues", "pause", "mail"], /mail is paused/);
  await done(["queues", "list"], /mail +paused/);
  await done(["queues", "resume", "mail"], /mail goes on/);
  await done(["queues", "get", "mail"], /state +open/);
  await done(["queues", "delete", "mail", "--yes"], /mail is deleted/);

  await done(["secrets", "set", "API_TOKEN", "--function", "hello"], /is set/, { input: "s3cr3t-value\n" });
  await done(["secrets", "set", "SHARED"], /is set/, { input: "s3cr3t-value" });
  await done(["secrets", "list"], /SHARED/);
  await done(["secrets", "list", "--function", "hello"], /API_TOKEN/);
  await refused(["secrets", "set", "NOTHING"], 2, /No value was given/);
  await done(["secrets", "remove", "SHARED", "--yes"], /SHARED is removed/);

  const { stdout: key } = await done(["keys", "create", "reader", "--scope", "read"], /^bh_\S+$/m);
  const env = { BELLHOP_URL: cluster.api.url, BELLHOP_API_KEY: key.trim() };
  await done(["tasks", "list"], /(?:)/, { env });
  await refused(["deploy", "hello/hello.ts"], 3, /bellhop whoami/, { env });
  const { items } = await user.json<{ items: { id: string; name: string }[] }>(["keys", "list"]);
  const { id } = items.find(({ name }) => name === "reader")!;
  await done(["keys", "rotate", id, "--overlap", "0s"], /^bh_/);
  await done(["keys", "revoke", id, "--yes"], /is revoked/);
});

test("a function's URL has the namespace of the key, where another one was not asked for", async () => {
  await cluster.api.call("POST", "/v1/namespaces", { name: "billing" });
  const scopes = ["--scope", "read", "--scope", "deploy"];
  const { stdout: key } = await done(["keys", "create", "ci", ...scopes, "--namespace", "billing"]);
  const env = { BELLHOP_URL: cluster.api.url, BELLHOP_API_KEY: key.trim() };
  const url = new RegExp(`url +${cluster.api.url}/fn/billing/hello`);
  await done(["deploy", "hello/hello.ts", "--public"], url, { env });
  await done(["functions", "get", "hello"], url, { env });
  await done(["functions", "get", "hello"], new RegExp(`url +${cluster.api.url}/fn/default/hello`));
  await done(["functions", "get", "hello", "--namespace", "billing"], url);
});

test("bulk actions count first, and say how many they did", async () => {
  await done(["queues", "set", "held"]);
  await done(["queues", "pause", "held"]);
  for (const name of ["Ada", "Bob", "Eve"])
    await done(["invoke", "hello", JSON.stringify({ name }), "--async", "--queue", "held"]);
  const filter = ["--filter", "state=queued", "--filter", "queue=held"];
  await done(["bulk", "runs", "cancel", ...filter, "--dry-run"], /^3 runs match/);
  await done(["bulk", "runs", "cancel", ...filter, "--yes"], /cancel succeeded: 3 done, 0 failed/);
  await done(["bulk", "runs", "cancel", ...filter, "--yes"], /No runs match/);
  await done(["bulk", "list"], /cancel runs +succeeded +3/);
  await refused(["bulk", "runs", "paint", "--yes"], 1, /must be one of cancel/);
  await refused(
    ["bulk", "runs", "cancel", "--filter", "queue=a", "--filter", "queue=b"],
    2,
    /queue is given twice/,
  );
});

test("apply shows the difference, asks, makes it so, and prunes what the file no longer names", async () => {
  const file = (tasks: string, more = "") => `app: site
secrets: [SITE_TOKEN]
queues:
  site: { concurrency: 2 }
functions:
  site:
    source: ./site.ts
    env: { GREETING: hello }
${more}tasks:
${tasks}`;
  const task = (key: string, cron: string) =>
    `  ${key}:\n    type: function\n    function: site\n    queue: site\n    schedule: "${cron}"\n`;
  await write("site.ts", "export default () => 1;\n");
  await write("bellhop.yaml", file(task("site:one", "0 1 * * *") + task("site:two", "0 2 * * *")));
  await done(
    ["apply", "--dry-run"],
    /\+ queue site(.|\n)*\+ function site(.|\n)*\+ task site:one(.|\n)*! secret SITE_TOKEN is not set/,
  );
  await refused(
    ["apply", "--yes"],
    1,
    /Secrets are missing\. Nothing was changed\.\n {2}bellhop secrets set SITE_TOKEN/,
  );
  await refused(["functions", "get", "site"], 4, /no function/);
  await done(["secrets", "set", "SITE_TOKEN"], /set/, { input: "s3cr3t-value" });
  await refused(["apply"], 2, /Pass --yes/);
  await done(["apply", "--yes"], /Applied\./);
  await done(["apply"], /Nothing changes\./);
  await write("bellhop.yaml", file(task("site:one", "0 3 * * *")));
  const planned = await done(
    ["apply", "--prune", "--dry-run"],
    /~ task site:one\n {4}schedule.cron: "0 1 \* \* \*" → "0 3 \* \* \*"/,
  );
  assert.match(planned.stdout, /- task site:two/);
  await done(["apply", "--prune", "--yes"], /Applied\./);
  await refused(["tasks", "get", "site:two"], 4, /Error/);
  const one = task("site:one", "0 3 * * *");
  await write("bellhop.yaml", file(one, "    public: true\n    limits: { memoryMb: 64 }\n"));
  await done(["apply", "--yes"], /~ function site\n {4}limit memoryMb changed\n {4}public: false → true/);
  await done(["apply"], /Nothing changes\./);
  await write("bellhop.yaml", file(one, "    public: true\n"));
  await done(["apply", "--yes"], /~ function site\n {4}limit memoryMb changed\n/);
  await done(["apply"], /Nothing changes\./);
  await write("bellhop.yaml", "taks: {}\n");
  await refused(["apply"], 2, /Unrecognized key: "taks"/);
});

test("doctor, top and open tell scripts what they show people", async () => {
  const { checks } = await user.json<{ checks: { check: string; state: string }[] }>(["doctor"]);
  assert.deepEqual(
    checks.filter(({ state }) => state !== "ok"),
    [],
  );
  await refused(["doctor", "--profile", "nobody"], 1, /1 of 4 checks failed/);
  const top = await user.json<{ workers: object[]; queues: { name: string }[] }>(["top"]);
  assert.equal(top.workers.length, 1);
  assert.ok(top.queues.some(({ name }) => name === "default"));
  await done(["open", "functions", "hello"], new RegExp(`^${cluster.api.url}/console/functions/hello\n$`));
});

test("what others wrote does not steer the terminal, and no colour goes into a pipe", async () => {
  await write(
    "odd.ts",
    "export default () => { console.log('\\u001b[2J\\u001b]0;owned\\u0007 line'); return 1; };\n",
  );
  await done(["deploy", "odd.ts"]);
  await done(["invoke", "odd"]);
  const { stdout } = await done(["logs", "odd"], /\\u001b\[2J\\u001b\]0;owned\\u0007 line/);
  assert.ok(!stdout.includes("\u001b"));
});

/** Of the PATH, past the pinned one. */
function findNode20(): string | undefined {
  const files = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"));
  return files.find((file) =>
    spawnSync(file, ["--version"], { encoding: "utf8" }).stdout?.startsWith("v20."),
  );
}

const node20 = findNode20();
test("it runs on Node 20", { skip: node20 ? false : "there is no Node 20 on the PATH" }, async () => {
  const env = { BELLHOP_URL: cluster.api.url, BELLHOP_API_KEY: cluster.api.key };
  const other = await createUser(env, node20);
  try {
    for (const args of [
      ["init", "old"],
      ["deploy", "old/old.ts"],
      ["apply", "-f", "old/bellhop.yaml", "--yes"],
    ])
      assert.deepEqual([args[0], (await other.run(args)).code], [args[0], 0]);
    assert.deepEqual(await other.json(["invoke", "old", '{"name": "Ada"}']), { hello: "Ada" });
    assert.match((await other.run(["logs", "old"])).stdout, /greeting name=Ada/);
    const { checks } = await other.json<{ checks: { message: string }[] }>(["doctor"]);
    assert.match(checks[0]!.message, /^v20\./);
  } finally {
    await other.leave();
  }
});
