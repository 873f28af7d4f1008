/** The key of secrets is gone, or another one: no role that opens secrets starts over them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startProcess } from "../support/processes.ts";
import { createClient, startCluster } from "./cluster.ts";

const newKey = () => randomBytes(32).toString("base64");

test("API, worker and autoscaler refuse to start without the key, or with another one; with both they start", {
  timeout: 300_000,
}, async (t) => {
  const [key, other] = [newKey(), newKey()];
  const cluster = await startCluster({ schedulers: 0, workers: 0, env: { BELLHOP_SECRETS_KEY: key } });
  t.after(() => cluster.stop());
  await cluster.api.call("PUT", "/v1/secrets/TOKEN", { value: "a value to keep" });
  const roles = ["api/main.ts", "runtime/main.ts", "runtime/autoscaler/main.ts"];
  const shared = { DATABASE_URL: cluster.databaseUrl, PORT: "0", HOST: "127.0.0.1", LOG_LEVEL: "info" };
  for (const file of roles) {
    for (const [given, words] of [
      [{}, "BELLHOP_SECRETS_KEY is not set, and the database holds 1 secret sealed with a key."],
      [
        { BELLHOP_SECRETS_KEY: other },
        "BELLHOP_SECRETS_KEY does not open 1 secret of the database, sealed with another key.",
      ],
    ] as const) {
      const refused = startProcess(file, { env: { ...shared, ...given } });
      assert.equal((await refused.exited).code, 1, file);
      const last = refused.errorLines.at(-1)!;
      assert.ok(last.startsWith(`${words} Set it to the key`), `${file}: ${last}`);
      assert.ok(!refused.lines.some((line) => line.includes("started") || line.includes(other)));
    }
    const changing = startProcess(file, {
      env: { ...shared, BELLHOP_SECRETS_KEY: `${other},${key}` },
      // A whole run starts the other two as users do elsewhere.
      isFromSource: file === "runtime/autoscaler/main.ts",
    });
    await changing.waitForLine(/"msg":"\w+ started"/);
    await changing.stop();
  }
});

test("npm start makes no other key over sealed secrets: it wants the file back, or they are given up", {
  timeout: 600_000,
}, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "bellhop-secrets-key-"));
  const file = join(dataDir, "secrets-key");
  const env = { PORT: "0", BELLHOP_DATA_DIR: dataDir };
  const start = async () => {
    const running = startProcess("standalone/main.ts", { env });
    t.after(() => running.stop());
    await running.waitForLine(/^Ctrl-C drains/, 120_000);
    const find = (word: string) => running.lines.find((line) => line.startsWith(`${word} `))!.slice(4);
    return { running, api: createClient(find("API"), find("Key")) };
  };
  const refuse = async () => {
    const refused = startProcess("standalone/main.ts", { env });
    assert.equal((await refused.exited).code, 1);
    return refused.errorLines.at(-1)!;
  };
  t.after(() => rm(dataDir, { recursive: true, force: true }));

  const first = await start();
  await first.api.call("PUT", "/v1/secrets/TOKEN", { value: "a value to keep" });
  await first.running.stop();
  const kept = await readFile(file, "utf8");

  await rm(file);
  const gone = await refuse();
  assert.ok(gone.startsWith(`${file} is not there, and the database holds 1 secret`), gone);
  assert.match(gone, /Put the file back from a backup of the data folder, or set BELLHOP_SECRETS_KEY/);
  assert.equal(existsSync(file), false, "another key was made");

  await writeFile(file, newKey());
  const wrong = await refuse();
  assert.ok(wrong.startsWith(`${file} does not open 1 secret of the database`), wrong);
  await writeFile(file, "half a k");
  const broken = await refuse();
  assert.ok(broken.startsWith(`${file} must be 32 bytes as base64 or hex. Put the file back`), broken);

  await writeFile(file, kept);
  await (await start()).running.stop();

  const command = async (args: string[] = [], code = 0) => {
    const told = startProcess("standalone/lost-secrets-command.ts", {
      env: { BELLHOP_DATA_DIR: dataDir },
      args,
    });
    assert.equal((await told.exited).code, code, told.lines.join("\n"));
    return told.lines;
  };
  const changed = newKey().trim();
  await writeFile(file, `${changed},${kept.trim()}`);
  assert.equal((await command(["reseal"])).at(-1), "Sealed by the first key: 1.");
  await writeFile(file, changed);
  assert.equal((await command()).at(-1), "Every secret can be opened.");

  await writeFile(file, newKey());
  const listed = await command();
  assert.ok(listed.includes("TOKEN, of the namespace default"), listed.join("\n"));
  assert.match(listed.at(-1)!, /^Nothing was removed/);
  const other = await readFile(file, "utf8");
  await rm(file);
  const unkeyed = await command(["remove"], 1);
  assert.match(unkeyed.join("\n"), /No key is set, so nothing was removed/);
  await writeFile(file, other);
  assert.equal((await command(["remove"])).at(-1), "Removed: 1. Write them again.");
  const last = await start();
  const { items } = await last.api.call<{ items: unknown[] }>("GET", "/v1/secrets");
  assert.deepEqual(items, []);
  await last.running.stop();
});
