/** The server's log file: begun anew at each start, and cut when it grows large, so that it cannot fill the disk. */
import { type FileHandle, open } from "node:fs/promises";

const MAX_LOG_BYTES = 16 * 1024 * 1024;
const CHECK_EVERY_MS = 30_000;
const TAIL_BYTES = 4_096;
const TAIL_LINES = 15;

export interface ServerLog {
  /** Opened for appending: the server writes here itself, so it needs no live parent. */
  fd: number;
  size(): Promise<number>;
  /** The last lines written after `fromByte`. */
  tail(fromByte: number): Promise<string>;
  close(): Promise<void>;
}

export async function openServerLog(path: string): Promise<ServerLog> {
  const file = await open(path, "a+", 0o600);
  await file.truncate(0);
  // Appending goes on at the new end after a cut.
  const timer = setInterval(() => void cutWhenLarge(file).catch(() => {}), CHECK_EVERY_MS).unref();
  const size = async () => (await file.stat()).size;
  return {
    fd: file.fd,
    size,
    tail: async (fromByte) => readTail(file, fromByte, await size()),
    close: async () => {
      clearInterval(timer);
      await file.close();
    },
  };
}

async function cutWhenLarge(file: FileHandle): Promise<void> {
  if ((await file.stat()).size > MAX_LOG_BYTES) await file.truncate(0);
}

async function readTail(file: FileHandle, fromByte: number, size: number): Promise<string> {
  const start = Math.max(fromByte, size - TAIL_BYTES, 0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
  return buffer.toString("utf8", 0, bytesRead).trim().split("\n").slice(-TAIL_LINES).join("\n");
}
