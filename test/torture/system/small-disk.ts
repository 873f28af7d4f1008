/** A disk of a given size for the database's data, of memory, which can be filled to its last byte. */
import { execFile } from "node:child_process";
import { chmod, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const CHUNK_BYTES = 4 * 1_048_576;
const LEAST_BYTES = 4_096;

export interface SmallDisk {
  folder: string;
  /** Nothing can be written any more, not even a little. */
  fill(): Promise<void>;
  /** Takes away what filled it. */
  clear(): Promise<void>;
  unmount(): Promise<void>;
}

/** Undefined where this process may not mount. */
export async function mountSmallDisk(folder: string, megabytes: number): Promise<SmallDisk | undefined> {
  await mkdir(folder);
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder]);
  } catch {
    return undefined;
  }
  await chmod(folder, 0o711);
  const filler = join(folder, "filler");
  return {
    folder,
    async fill() {
      const file = await open(filler, "a");
      try {
        // Ever less of it fits.
        for (let bytes = CHUNK_BYTES; bytes >= LEAST_BYTES; bytes /= 2) await writeUntilFull(file, bytes);
      } finally {
        await file.close();
      }
    },
    clear: () => rm(filler, { force: true }),
    async unmount() {
      await run("umount", ["-l", folder]).catch(() => {});
    },
  };
}

async function writeUntilFull(file: Awaited<ReturnType<typeof open>>, bytes: number): Promise<void> {
  const zeros = Buffer.alloc(bytes);
  for (;;) {
    try {
      const { bytesWritten } = await file.write(zeros);
      if (bytesWritten < bytes) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw error;
    }
  }
}
