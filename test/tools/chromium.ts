/**
 * Chromium: from PATH, else Debian's package. That one is installed, not unpacked beside the project as other tools are:
 * it needs about a hundred libraries and fonts, and a bare machine has none of them.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 300_000;
/** Somebody else may be installing something. */
const LOCK = ["-o", "DPkg::Lock::Timeout=120"];
const INSTALL = [...LOCK, "install", "--yes", "--quiet", "--no-install-recommends", "chromium"];

/** Where it stands; or why it cannot be had, in one line. */
export async function provideChromium(): Promise<string | { skip: string }> {
  const found = findOnPath("chromium");
  if (found) return found;
  if (!findOnPath("apt-get") || process.getuid?.() !== 0)
    return { skip: "there is no chromium on the PATH, and it takes root and apt-get to install it" };
  const options = { timeout: INSTALL_TIMEOUT_MS, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  try {
    // An image of a distribution comes without lists of packages.
    await run("apt-get", INSTALL, options).catch(async () => {
      await run("apt-get", [...LOCK, "update"], options);
      await run("apt-get", INSTALL, options);
    });
  } catch (error) {
    return { skip: `chromium could not be installed: ${messageOf(error).split("\n")[0]}` };
  }
  return findOnPath("chromium") ?? { skip: "chromium was installed, and is not on the PATH" };
}
