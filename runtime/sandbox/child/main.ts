/**
 * The executor: a child process of a worker that hosts isolates. It holds no secret, no file and no environment; it
 * speaks frames on descriptor 3 and ends when that closes, for then its worker is gone.
 * Arguments, after those of its loader: the path of the isolated-vm addon, the path of the guest's snapshot, that of the
 * scripts of node: modules, IsolatePoolLimits as JSON.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { FrameDecoder, FrameWriter, splitFrame } from "../../../core/frames.ts";
import { MAX_CHILD_FRAME_BYTES, MAX_PARENT_FRAME_BYTES, type ParentMessage } from "../protocol/messages.ts";
import type { Ivm } from "./guest-context.ts";
import { ExecutorHost } from "./host.ts";
import { NodeModules } from "./node-modules.ts";

const [addonPath = "", snapshotPath = "", nodeModulesPath = "", poolLimits = "{}"] = process.argv.slice(2);

/** A plain exit may wait for a guest's thread that never lets go. */
function endNow(): void {
  process.kill(process.pid, "SIGKILL");
}

/** Into memory that an isolate's snapshot may lie in: nothing is copied. */
function readBytes(path: string): ArrayBuffer {
  const file = openSync(path, "r");
  const bytes = new Uint8Array(fstatSync(file).size);
  for (let read = 0; read < bytes.length; ) {
    const count = readSync(file, bytes, { offset: read });
    if (count === 0) throw new Error(`${path} ends before its end`);
    read += count;
  }
  closeSync(file);
  return bytes.buffer;
}

function loadAddon(path: string): Ivm {
  // The addon by its path alone: nothing else of the package may be read from here.
  const module = { exports: {} as { ivm: Ivm } };
  process.dlopen(module, path);
  return module.exports.ivm;
}

process.on("unhandledRejection", (reason) =>
  process.stderr.write(`unhandled rejection: ${String(reason)}\n`),
);
process.on("uncaughtException", (error) => process.stderr.write(`${error.stack}\n`, endNow));

const socket = new Socket({ fd: 3, readable: true, writable: true });
const out = new FrameWriter(socket, MAX_CHILD_FRAME_BYTES);
const ivm = loadAddon(addonPath);
const snapshot = new ivm.ExternalCopy(readBytes(snapshotPath), { transferOut: true });
const host = new ExecutorHost(ivm, snapshot, new NodeModules(nodeModulesPath), out, JSON.parse(poolLimits));
const decoder = new FrameDecoder(MAX_PARENT_FRAME_BYTES, (text) => {
  const { json, payload } = splitFrame(text);
  host.receive(JSON.parse(json) as ParentMessage, payload);
});
socket.on("data", (chunk) => decoder.push(chunk));
socket.on("end", endNow);
socket.on("close", endNow);
socket.on("error", endNow);
out.write({ t: "ready" });
out.flush();
host.prepare();
