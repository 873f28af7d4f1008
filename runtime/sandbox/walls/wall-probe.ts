/**
 * For tests: what native code of an executor would find, run in its place without node's permission model. Writes what
 * it reached as JSON, then spins where it is told to.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";

export interface ProbeTask {
  connectTo: (number | string)[];
  signal: number[];
  read: string[];
  write: string[];
  run: string[][];
  spin: boolean;
}

export interface ProbeFindings {
  uid: number;
  gid: number;
  groups: number[];
  environment: string[];
  status: Record<string, string>;
  limits: string;
  interfaces: string[];
  root: string[];
  processes: string[];
  connected: string[];
  signalled: string[];
  read: string[];
  written: string[];
  ran: string[];
}

/** "done", or the code of what it threw. */
function codeOf(act: () => unknown): string {
  try {
    act();
    return "done";
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? String(thrown);
  }
}

/** A number is a port of this machine; a text a socket's path, with a leading NUL a name. */
function tryConnect(target: number | string): Promise<string> {
  return new Promise((resolve) => {
    const socket = typeof target === "number" ? connect(target, "127.0.0.1") : connect(target);
    socket.once("connect", () => {
      socket.destroy();
      resolve("done");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

const task = JSON.parse(process.argv[2] ?? "{}") as ProbeTask;
const statusLines = readFileSync("/proc/self/status", "utf8").split("\n");
const findings: ProbeFindings = {
  uid: process.getuid!(),
  gid: process.getgid!(),
  groups: process.getgroups!(),
  environment: Object.keys(process.env),
  status: Object.fromEntries(statusLines.map((line) => line.split(":\t") as [string, string])),
  limits: readFileSync("/proc/self/limits", "utf8"),
  interfaces: Object.keys(networkInterfaces()),
  root: readdirSync("/").sort(),
  processes: readdirSync("/proc").filter((name) => /^\d+$/.test(name)),
  connected: await Promise.all(task.connectTo.map(tryConnect)),
  signalled: task.signal.map((pid) => codeOf(() => process.kill(pid, 0))),
  read: task.read.map((path) => codeOf(() => readFileSync(path))),
  written: task.write.map((path) => codeOf(() => writeFileSync(path, "x"))),
  ran: task.run.map(([file, ...args]) => {
    const { status, error } = spawnSync(file!, args);
    return status === 0 ? "done" : ((error as NodeJS.ErrnoException | undefined)?.code ?? "failed");
  }),
};
process.stderr.write(`${JSON.stringify(findings)}\n`);
if (task.spin) for (;;);
