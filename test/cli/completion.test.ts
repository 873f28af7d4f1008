/** Tab in real shells. Those that are not installed are skipped, also where others are demanded (--strict); bash never. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { buildProgram, createUser, PROGRAM, type User } from "./program.ts";
import {
  demandTerminal,
  ENTER,
  lackOfTerminal,
  startInTerminal,
  TAB,
  type TerminalProgram,
} from "./terminal.ts";

/** Ctrl-U. */
const CLEAR_LINE = "\u0015";

const SHELLS = {
  bash: { start: ["bash", "--norc", "--noprofile", "-i"], load: "source <(bellhop completion bash)" },
  zsh: {
    start: ["zsh", "-f", "-i"],
    load: "autoload -U compinit; compinit -u; source <(bellhop completion zsh)",
  },
  fish: { start: ["fish", "--no-config"], load: "bellhop completion fish | source" },
};

describe("completion", { skip: lackOfTerminal() }, () => {
  let cluster: Cluster;
  let user: User;

  before(async () => {
    demandTerminal();
    await buildProgram();
    cluster = await startCluster({ schedulers: 0, workers: 0 });
    user = await createUser({ BELLHOP_URL: cluster.api.url, BELLHOP_API_KEY: cluster.api.key });
    const bin = join(user.folder, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "bellhop"), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
    await chmod(join(bin, "bellhop"), 0o755);
    user.env["PATH"] = `${bin}:${user.env["PATH"]}`;
    const task = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
    await cluster.api.call("PUT", "/v1/tasks/billing:nightly", task);
  });
  after(async () => {
    await cluster?.stop();
    await user?.leave();
  });

  for (const [shell, { start, load }] of Object.entries(SHELLS)) {
    const isInstalled = spawnSync(shell, ["--version"]).status === 0;
    const reason = `${shell} is not installed`;
    test(`${shell} completes commands, options, and the names of tasks`, {
      skip: isInstalled || shell === "bash" ? false : reason,
    }, async () => {
      assert.ok(isInstalled, reason);
      const terminal = startInTerminal(start, { env: { ...user.env, PS1: "> " }, cwd: user.folder });
      terminal.type(`${load} && printf 'loaded-%s\\n' 42${ENTER}`);
      await terminal.waitForScreen(/loaded-42/);
      terminal.type(`bellhop upc${TAB}`);
      await terminal.waitForScreen(/bellhop upcoming$/m);
      terminal.type(`--wit${TAB}`);
      await terminal.waitForScreen(/bellhop upcoming --within$/m);
      terminal.type(`${CLEAR_LINE}bellhop tasks get bill`);
      await pressTabUntil(terminal, /bellhop tasks get billing(\\)?:nightly/);
      terminal.type(`${CLEAR_LINE}exit${ENTER}`);
      await terminal.exited;
    });
  }
});

/** Names come from the API, which the program gives 1.5 s: on a busy machine somebody presses Tab once more. */
async function pressTabUntil(terminal: TerminalProgram, matches: RegExp): Promise<void> {
  for (let left = 8; ; left--) {
    terminal.type(TAB);
    try {
      await terminal.waitForScreen(matches, 15_000);
      return;
    } catch (error) {
      if (left === 1) throw error;
    }
  }
}
