/** The walls themselves, tried from inside by code that no permission model holds. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { findExecutor, killTree } from "../parent/holding-processes.ts";
import { JAIL_NODE, JAIL_SETPRIV } from "./chain.ts";
import { readHostFacts } from "./host-facts.ts";
import { type HostFacts, WALLS, type Wall } from "./plan.ts";
import type { StandingWalls } from "./standing-walls.ts";
import { findingsOf, raiseWalls, spawnProbe } from "./wall-fixture.ts";

const { tools } = readHostFacts().facts;
const isLinux = process.platform === "linux";
const folder = mkdtempSync(join(tmpdir(), "bellhop-walls-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const VARIANTS: [string, Partial<HostFacts>][] = [
  ["all that the host allows", {}],
  ["inside a user namespace", { isRoot: false }],
  ["without namespaces", { tools: { setpriv: tools.setpriv!, prlimit: tools.prlimit! } }],
];

/** A file and sockets of the worker's own. */
async function worldOf(t: TestContext) {
  const secret = join(folder, "secret");
  writeFileSync(secret, "secret", { mode: 0o600 });
  const servers = [createServer(), createServer(), createServer()];
  t.after(() => {
    for (const server of servers) server.close();
  });
  const path = join(folder, "socket");
  const name = `\0bellhop-walls-${process.pid}`;
  const listening = servers.map((server) => once(server, "listening"));
  servers[0]!.listen(0, "127.0.0.1");
  servers[1]!.listen(path);
  servers[2]!.listen(name);
  await Promise.all(listening);
  return { secret, connectTo: [(servers[0]!.address() as AddressInfo).port, path, name] };
}

async function probe(walls: StandingWalls, task: Parameters<typeof spawnProbe>[1]) {
  const child = spawnProbe(walls, task);
  const closed = once(child, "close");
  const findings = await findingsOf(child);
  await closed;
  return findings;
}

const isRefused = (code: string) => code !== "done";

for (const [name, hostFacts] of isLinux ? VARIANTS : []) {
  const walls = await raiseWalls(hostFacts);
  describe(`the walls, ${name}`, () => {
    after(() => walls.remove());
    const stands = (wall: Wall) => walls.plan.walls.has(wall);

    test("the network is out of reach", async (t) => {
      const { connectTo } = await worldOf(t);
      const { connected, interfaces } = await probe(walls, { connectTo });
      if (stands("network")) {
        assert.deepEqual(interfaces, []);
        // A socket with a path is a file.
        assert.deepEqual(connected.filter((_, i) => i !== 1).filter(isRefused).length, 2, String(connected));
      }
      if (stands("files")) assert.equal(connected[1], "ENOENT");
    });

    test("its user, its privileges, its environment, its limits", async () => {
      const { uid, gid, groups, status, limits, environment, ran } = await probe(walls, {
        run: [[stands("files") ? JAIL_SETPRIV : tools.setpriv!, "--reuid=12345", walls.node, "--version"]],
      });
      assert.deepEqual(environment, []);
      if (stands("uid")) {
        assert.ok(uid > 1_000 && uid !== process.getuid!(), String(uid));
        assert.equal(gid, uid);
        // Node counts the effective group among them.
        assert.deepEqual(groups, [gid]);
      }
      if (stands("privileges")) {
        const zero = "0000000000000000";
        const { CapInh, CapPrm, CapEff, CapAmb, NoNewPrivs } = status;
        assert.deepEqual([CapInh, CapAmb, NoNewPrivs], [zero, zero, "1"]);
        if (stands("uid") || walls.plan.userNamespace) {
          assert.deepEqual([CapPrm, CapEff, status["CapBnd"]], [zero, zero, zero]);
          assert.deepEqual(ran, ["failed"]);
        }
      }
      if (stands("limits")) {
        assert.match(limits, /Max core file size +0 +0 /);
        assert.match(limits, /Max file size +0 +0 /);
        assert.match(limits, /Max open files +256 +256 /);
        if (stands("uid")) assert.match(limits, /Max processes +300 +300 /);
      }
    });

    test("no file of the host, none that it can write", async (t) => {
      const { secret } = await worldOf(t);
      const own = walls.pathOf("probe.mjs");
      const findings = await probe(walls, {
        read: ["/etc/shadow", secret, "/etc/passwd", `/proc/${process.pid}/environ`, process.execPath, own],
        write: [
          // Of the same user: emptied without a byte written, which no limit refuses.
          ...(stands("uid") || stands("files") ? [own] : []),
          "/written",
          "/tmp/written",
          walls.node,
          join(folder, "written"),
          "/proc/1/oom_score_adj",
        ],
      });
      const [shadow, secretRead, ...others] = findings.read;
      if (stands("uid") || stands("files")) assert.ok(isRefused(shadow!) && isRefused(secretRead!));
      assert.equal(others.pop(), "done");
      if (stands("files")) {
        assert.deepEqual(others, ["ENOENT", "ENOENT", "ENOENT"]);
        assert.deepEqual(
          findings.root.filter(
            (each) => !/^(addon\.node|lib\d*|node|probe\.mjs|proc|setpriv|usr)$/.test(each),
          ),
          [],
        );
      }
      if (stands("limits") || stands("files"))
        assert.deepEqual(
          findings.written.filter((code) => !isRefused(code)),
          [],
        );
    });

    test("no other process is seen or signalled, not the worker and not another executor", async (t) => {
      const other = spawnProbe(walls, { spin: true });
      const closed = once(other, "close");
      t.after(async () => {
        killTree(other.pid!, findExecutor(other.pid!));
        await closed;
      });
      await findingsOf(other);
      const others = [findExecutor(other.pid!), other.pid!, process.pid];
      const { signalled, processes } = await probe(walls, { signal: others });
      if (stands("processes") || stands("uid"))
        assert.deepEqual(
          signalled.filter((code) => !isRefused(code)),
          [],
        );
      if (stands("processes") && stands("files")) assert.equal(processes.length, 2, String(processes));
    });

    test("nothing is left of an executor that spins when its worker is killed", async () => {
      if (!stands("death")) return;
      await outlived(hostFacts, []);
    });

    test("nor when it has taken off its own death signal", async () => {
      if (!stands("processes") || !stands("files")) return;
      await outlived(hostFacts, [JAIL_SETPRIV, "--pdeathsig=clear", "--"]);
    });

    test("a kill ends all of it at once", async () => {
      const child = spawnProbe(walls, { spin: true });
      const closed = once(child, "close");
      await findingsOf(child);
      killTree(child.pid!, findExecutor(child.pid!));
      await closed;
    });
  });
}

/** Kills a worker; resolves when nobody holds its stderr any more, which its executor and all around it share. */
async function outlived(hostFacts: Partial<HostFacts>, before: string[]): Promise<void> {
  const script = fileURLToPath(new URL("wall-worker-fixture.ts", import.meta.url));
  const worker = spawn(process.execPath, [script, JSON.stringify(hostFacts), ...before], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const closed = once(worker, "close");
  const exited = once(worker, "exit");
  await findingsOf(worker);
  worker.kill("SIGKILL");
  await exited;
  await closed;
}

test("two executors have two users", async (t) => {
  const walls = await raiseWalls();
  t.after(() => walls.remove());
  const [first, second] = await Promise.all([probe(walls, {}), probe(walls, {})]);
  if (walls.plan.walls.has("uid")) assert.notEqual(first.uid, second.uid);
});

test("this machine's own walls are known by name", async () => {
  const walls = await raiseWalls();
  walls.remove();
  for (const wall of walls.plan.walls) assert.ok(WALLS.includes(wall));
  if (walls.plan.walls.has("files")) assert.equal(walls.node, JAIL_NODE);
});
