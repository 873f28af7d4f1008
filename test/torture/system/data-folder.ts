/**
 * Where database and broker keep their data: in memory where the machine has a folder for that. Faults end processes, never
 * the machine, so what was written stays as it would on a disk, and a busy disk is not what is measured.
 */
import { existsSync } from "node:fs";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IN_MEMORY = "/dev/shm";

export async function makeDataFolder(): Promise<string> {
  const folder = await mkdtemp(join(existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir(), "bellhop-torture-data-"));
  // Started by root, the database server is another user, who has to come in.
  await chmod(folder, 0o711);
  return folder;
}
