/** docs/cli.md: its commands are run in their order, and every command there is stands in it. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildProgram, type User } from "../cli/program.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { createShellUser, readBlocks, runScript } from "./shell-pages.ts";

const SECRETS_KEY = Buffer.alloc(32, 7).toString("base64");
const blocks = await readBlocks(join(import.meta.dirname, "..", "..", "docs", "cli.md"));

let cluster: Cluster;
let user: User;

before(async () => {
  await buildProgram();
  cluster = await startCluster({ schedulers: 1, workers: 1, env: { BELLHOP_SECRETS_KEY: SECRETS_KEY } });
  user = await createShellUser({ BASE: cluster.api.url });
  user.env["KEY_FILE"] = join(user.folder, "api-key");
  await writeFile(user.env["KEY_FILE"], cluster.api.key);
});
after(async () => {
  await cluster?.stop();
  await user?.leave();
});

/** Some ninety programs after each other: patience, for a machine that has much else to do. */
const PATIENCE_MS = 900_000;

test("every command of the page works", { timeout: PATIENCE_MS }, async () => {
  const yaml = blocks.find(({ language }) => language === "yaml")!;
  await writeFile(join(user.folder, "bellhop.yaml"), yaml.text);
  const script = blocks.filter(({ language, note }) => language === "sh" && note === "");
  const said = await runScript(user, script.map(({ text }) => text).join(""));
  assert.match(said, /bellhop completion fish/);
});

test("every command there is stands on the page", async () => {
  const commands = await listCommands([]);
  assert.ok(commands.length > 45);
  const shown = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);
  for (const command of commands)
    assert.ok(
      shown.some((text) => text.includes(`bellhop ${command}`)),
      `docs/cli.md does not show bellhop ${command}`,
    );
});

/** As completion tells them. */
async function listCommands(path: readonly string[]): Promise<string[]> {
  const { stdout } = await user.run(["__complete", "--", ...path, ""], { env: { HOME: "/nonexistent" } });
  const names = stdout.split("\n").flatMap((line) => (line.includes("\t") ? [line.split("\t")[0]!] : []));
  const commands = names.filter((name) => name !== "help");
  if (commands.length === 0) return [path.join(" ")];
  return (await Promise.all(commands.map((name) => listCommands([...path, name])))).flat();
}
