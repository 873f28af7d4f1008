// Installs the locked dependencies once, and again only after the lock changed.
// Runs on whatever Node started npm: everything after it runs on the pinned Node of node_modules/.bin.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const lock = readFileSync(`${root}package-lock.json`);
const wanted = createHash("sha256").update(lock).update(process.platform).update(process.arch).digest("hex");
const stamp = `${root}node_modules/.bellhop-setup`;

const installed = existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
if (!installed) {
  console.error("Installing the locked dependencies (once, about half a minute) …");
  const npm = process.env.npm_execpath;
  const [command, head] = npm ? [process.execPath, [npm]] : ["npm", []];
  const args = [...head, "ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error || status !== 0) {
    console.error(
      `The install failed (${error?.message ?? `npm ci ended with ${status}`}). Nothing was started.`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

// The command line, one file: made anew where one of its sources is newer.
if (!isCliBuilt()) {
  const { error, status } = spawnSync(`${root}node_modules/.bin/node`, ["cli/build.ts"], {
    cwd: root,
    stdio: ["ignore", "ignore", 2],
  });
  if (error || status !== 0)
    console.error("The command line (cli/) could not be built: npx bellhop does not work.");
}

function isCliBuilt() {
  try {
    const builtAt = statSync(`${root}cli/dist/bellhop.mjs`).mtimeMs;
    const inputs = JSON.parse(readFileSync(`${root}cli/dist/inputs.json`, "utf8"));
    return inputs.every((input) => statSync(root + input).mtimeMs <= builtAt);
  } catch {
    return false;
  }
}

// The console's bundle, on the pinned Node; it is kept, and made anew where its sources have changed.
const prepared = spawnSync(`${root}node_modules/.bin/node`, ["api/console/prepare-console.ts"], {
  cwd: root,
  stdio: ["ignore", "ignore", 2],
});
if (prepared.error || prepared.status !== 0) {
  console.error("The console could not be bundled. Nothing was started.");
  process.exit(1);
}
