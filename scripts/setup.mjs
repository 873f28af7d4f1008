// Installs the locked dependencies once, and again only after the lock changed; those for development (tests, checks) only
// where something asks for them. Runs on whatever Node started npm: everything after it runs on the pinned Node of
// node_modules/.bin.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What runs without the packages for development: as npm names what comes before each. */
const RUNTIME = new Set(
  ["start", "api", "scheduler", "worker", "autoscaler", "migrate", "lost-secrets"].map(
    (name) => `pre${name}`,
  ),
);

const root = fileURLToPath(new URL("..", import.meta.url));
const pinnedNode = `${root}node_modules/.bin/node`;

install();
const [isCliMade, isConsoleMade] = await Promise.all([makeCli(), run(["api/console/prepare-console.ts"])]);
if (!isCliMade) console.error("The command line (cli/) could not be built: npx bellhop does not work.");
if (!isConsoleMade) fail("The console could not be bundled. Nothing was started.");

function install() {
  const lock = readFileSync(`${root}package-lock.json`);
  const wanted = createHash("sha256")
    .update(lock)
    .update(process.platform)
    .update(process.arch)
    .digest("hex");
  const stamp = `${root}node_modules/.bellhop-setup`;
  const [installed, part] = existsSync(stamp) ? readFileSync(stamp, "utf8").split(" ") : [];
  // What a folder for development has had, it gets again.
  const isRuntime =
    RUNTIME.has(process.env.npm_lifecycle_event) && (installed === undefined || part === "runtime");
  if (installed === wanted && (isRuntime || part === undefined)) return;
  // An install that is killed leaves a tree that nobody may take for whole.
  rmSync(stamp, { force: true });
  // What is wanted is said each time: NODE_ENV=production and an npmrc may say otherwise.
  if (installed === wanted) {
    console.error("Installing what development needs besides (once) …");
    // Whatever is running keeps its packages. Where npm gives up, for want of the network, it leaves what was there.
    npm(["install", "--no-save", "--include=dev"], () => writeFileSync(stamp, `${wanted} runtime`));
  } else {
    console.error("Installing the locked dependencies (once, about half a minute) …");
    npm(["ci", isRuntime ? "--omit=dev" : "--include=dev"]);
  }
  writeFileSync(stamp, isRuntime ? `${wanted} runtime` : wanted);
}

/** `onGivenUp`: npm failed by itself, it was not killed. */
function npm(args, onGivenUp = () => {}) {
  const path = process.env.npm_execpath;
  const [command, head] = path ? [process.execPath, [path]] : ["npm", []];
  const all = [...head, ...args, "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, signal, error } = spawnSync(command, all, { cwd: root, stdio: ["ignore", 2, 2] });
  if (!error && status === 0) return;
  if (!error && !signal) onGivenUp();
  fail(
    `The install failed (${error?.message ?? `npm ${args[0]} ended with ${status ?? signal}`}). Nothing was started.`,
  );
}

/** The command line, one file: made anew where one of its sources is newer. */
async function makeCli() {
  try {
    const builtAt = statSync(`${root}cli/dist/bellhop.mjs`).mtimeMs;
    const inputs = JSON.parse(readFileSync(`${root}cli/dist/inputs.json`, "utf8"));
    if (inputs.every((input) => statSync(root + input).mtimeMs <= builtAt)) return true;
  } catch {}
  return await run(["cli/build.ts"]);
}

/** On the pinned Node; what it says of what it made is nobody's concern. The console's bundle is kept where its sources are the same. */
async function run(args) {
  const child = spawn(pinnedNode, args, { cwd: root, stdio: ["ignore", "ignore", 2] });
  const [status] = await once(child, "exit").catch(() => [1]);
  return status === 0;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
