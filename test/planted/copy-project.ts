/** A copy of the project as it stands: files are linked where they can be, so that it takes a second and hardly any room. */
import { copyFile, link, mkdir, mkdtemp, readdir, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
/** Nothing that is run needs them. */
const LEFT_OUT = new Set([".git", ".bellhop"]);

export interface ProjectCopy {
  folder: string;
  /** For what catchers leave behind. */
  evidence: string;
  remove(): Promise<void>;
}

export async function copyProject(): Promise<ProjectCopy> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-planted-"));
  await linkFolder(ROOT, folder);
  const evidence = join(folder, "evidence");
  await mkdir(evidence);
  return { folder, evidence, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function linkFolder(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (from === ROOT && LEFT_OUT.has(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target);
      await linkFolder(source, target);
    } else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (entry.isFile()) await linkOrCopy(source, target);
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copyFile(source, target);
  }
}
