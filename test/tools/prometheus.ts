/**
 * Prometheus and promtool: from PATH, else out of Debian's package, which is unpacked into the ignored `.cache/tools` and
 * installs no service. Nothing else of the machine is touched, but for apt's own lists where they are empty.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const TOOLS = join(import.meta.dirname, "..", "..", ".cache", "tools");
const FOLDER = join(TOOLS, `prometheus-${process.arch}`);
const FETCH_TIMEOUT_MS = 180_000;

export interface PrometheusTools {
  prometheus: string;
  promtool: string;
}

/** The two programs, fetched once where they are missing; or why they cannot be had, in one line. */
export async function providePrometheus(): Promise<PrometheusTools | { skip: string }> {
  const [prometheus, promtool] = [findOnPath("prometheus"), findOnPath("promtool")];
  if (prometheus && promtool) return { prometheus, promtool };
  const fetched = {
    prometheus: join(FOLDER, "usr", "bin", "prometheus"),
    promtool: join(FOLDER, "usr", "bin", "promtool"),
  };
  if (existsSync(fetched.promtool)) return fetched;
  if (!findOnPath("apt-get") || !findOnPath("dpkg-deb"))
    return { skip: "there is no prometheus on the PATH, and no apt-get to fetch it" };
  try {
    await fetchPackage();
    return fetched;
  } catch (error) {
    return { skip: `prometheus could not be fetched: ${messageOf(error).split("\n")[0]}` };
  }
}

/** Two at once fetch twice, and one of them wins. */
async function fetchPackage(): Promise<void> {
  const part = join(TOOLS, `part-${randomBytes(6).toString("hex")}`);
  await mkdir(join(part, "unpacked"), { recursive: true });
  try {
    // An image of a distribution comes without lists of packages.
    await download(part).catch(async () => {
      await run("apt-get", ["update"], { timeout: FETCH_TIMEOUT_MS });
      await download(part);
    });
    const file = (await readdir(part)).find((name) => name.endsWith(".deb"))!;
    await run("dpkg-deb", ["-x", join(part, file), join(part, "unpacked")]);
    await rename(join(part, "unpacked"), FOLDER).catch((error) => {
      if (!existsSync(FOLDER)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

function download(folder: string) {
  return run("apt-get", ["-q", "download", "prometheus"], { cwd: folder, timeout: FETCH_TIMEOUT_MS });
}
