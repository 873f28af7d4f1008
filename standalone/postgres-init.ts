/**
 * Making the data folder: in a folder beside, renamed when complete, so that a half-made one is never taken for data.
 *
 * Autovacuum visits each database that the server has statistics of, every 15 seconds, by a process that takes 3 to 6 ms.
 * Of those that initdb makes it has some, and it keeps them for as long as it lives. So they are removed, and Bellhop's own
 * database is made without a session in another one.
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { MAKE_DATABASE, MAKE_ROLE } from "./postgres-session.ts";
import { type Launcher, launch } from "./server-account.ts";

export interface InitialiseParts {
  binaries: PostgresBinaries;
  launcher: Launcher;
  dataDir: string;
  dataFolder: string;
  password: string;
  /** Leaves out the wait for the disk. */
  quick: boolean;
}

export async function initialiseFolder(parts: InitialiseParts): Promise<void> {
  const { binaries, launcher, dataDir, dataFolder, password, quick } = parts;
  for (const name of await readdir(dataDir)) {
    if (name.startsWith("postgres.init-")) await rm(join(dataDir, name), { recursive: true, force: true });
  }
  const workDir = join(dataDir, `postgres.init-${randomBytes(6).toString("hex")}`);
  const passwordFile = join(workDir, "password");
  await mkdir(workDir, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await launcher.own(passwordFile);
  await launcher.own(workDir);
  const args = [
    `--pgdata=${join(workDir, "data")}`,
    "--username=postgres",
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // The server's own locale: the same order of texts on every operating system.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
    ...(quick ? ["--no-sync"] : []),
  ];
  try {
    const folder = join(workDir, "data");
    await runToEnd(launch(launcher, binaries.initdb, args, "pipe"));
    const alone = ["--single", "-D", folder, "-c", "exit_on_error=on", ...(quick ? ["-F"] : []), "template1"];
    await runToEnd(launch(launcher, binaries.postgres, alone, "pipe", `${MAKE_ROLE}\n${MAKE_DATABASE}\n`));
    await rm(join(folder, "pg_stat", "pgstat.stat"), { force: true });
    await rename(folder, dataFolder);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

async function runToEnd(child: ChildProcess): Promise<void> {
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-4_000)));
  }
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`The embedded PostgreSQL could not be initialised:\n${output.trim()}`);
}
