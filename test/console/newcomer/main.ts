/** What README promises a newcomer, in a clone of this repository and a real Chromium: with times and clicks. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Locator, Page } from "playwright-core";
import { messageOf } from "../../../core/errors.ts";
import { freePorts } from "../../support/free-ports.ts";
import { findChromium, launchChromium } from "../open-console.ts";

const HELP = `npm run console-newcomer [-- --linked]

Clones what is committed here into a folder of its own, runs npm start there (which installs what is locked), opens the
link that it prints in Chromium, and goes on by what the pages offer until a scheduled function's run is seen. Prints how
long each step took since the clone, and how many clicks it needed. With --linked the packages installed here are taken
instead, where installing them would measure the network.`;

const LINKED = "--linked";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PATIENCE_MS = 600_000;
const LINK = /http:\/\/\S+\/console\/sign-in#\S+/;

interface Step {
  name: string;
  atMs: number;
  clicks: number;
}

class Journey {
  readonly steps: Step[] = [];
  readonly #beganMs = performance.now();
  #clicks = 0;

  async click(target: Locator): Promise<void> {
    await target.click();
    this.#clicks += 1;
  }

  done(name: string): void {
    this.steps.push({ name, atMs: performance.now() - this.#beganMs, clicks: this.#clicks });
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const [code] = await once(spawn(command, args, { stdio: "inherit" }), "exit");
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
}

/** Without what npm put in front: this checkout's programs, its Node among them. */
const pathOfShell = () =>
  process.env["PATH"]!.split(delimiter)
    .filter((folder) => !/node_modules\/(\.bin$|npm\/)/.test(folder))
    .join(delimiter);

/** As somebody's shell has it, on a port of its own. What it prints tells how far it is. */
async function startProject(
  folder: string,
  journey: Journey,
): Promise<{ child: ChildProcess; link: string }> {
  const [port] = await freePorts(1);
  const { HOME } = process.env;
  const child = spawn("npm", ["start"], {
    cwd: folder,
    env: { PATH: pathOfShell(), HOME, PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const link = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith("Starting PostgreSQL")) journey.done("npm start has set up: packages, bundles");
      const found = LINK.exec(line);
      if (found) resolve(found[0]);
    });
    child.once("exit", (code) => reject(new Error(`npm start ended with ${code}`)));
  });
  return { child, link: await link };
}

async function goThrough(page: Page, signInLink: string, journey: Journey): Promise<void> {
  page.setDefaultTimeout(PATIENCE_MS);
  const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const link = (name: string) => page.getByRole("link", { name, exact: true });
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  await page.goto(signInLink);
  await heading("Overview");
  journey.done("signed in by the link");
  await journey.click(link("Write a function"));
  await page.getByLabel("Name", { exact: true }).fill("hello");
  await journey.click(button("Deploy"));
  await heading("hello");
  journey.done("a function is deployed");
  await journey.click(link("Schedule it"));
  await heading("New task");
  await journey.click(button("Make the task"));
  await page.getByText("The task was created.").waitFor();
  journey.done("it has a schedule");
  await page.locator("tbody tr", { hasText: "succeeded" }).first().waitFor();
  await journey.click(page.locator("tbody a").last());
  await page.getByRole("heading", { name: "Result" }).waitFor();
  journey.done("its run is seen, with its result");
}

function printSteps(steps: readonly Step[]): void {
  const width = Math.max(...steps.map(({ name }) => name.length));
  for (const { name, atMs, clicks } of steps)
    process.stdout.write(
      `${name.padEnd(width)}  ${(atMs / 1_000).toFixed(1).padStart(6)} s  ${String(clicks).padStart(2)} clicks\n`,
    );
}

async function main(): Promise<number> {
  if (process.argv.includes("--help")) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const chromium = await findChromium();
  if (chromium.skip !== false) throw new Error(chromium.skip);
  await using opened = new AsyncDisposableStack();
  const parent = await mkdtemp(join(tmpdir(), "bellhop-newcomer-"));
  opened.defer(() => rm(parent, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  const folder = join(parent, "bellhop");
  const browser = await launchChromium(chromium.program);
  opened.defer(() => browser.close());
  const journey = new Journey();
  await run("git", ["clone", "--quiet", "--depth", "1", `file://${ROOT}`, folder]);
  // Hard links: a few seconds, as an install from a full cache.
  if (process.argv.includes(LINKED))
    await run("cp", ["-al", join(ROOT, "node_modules"), join(folder, "node_modules")]);
  journey.done("cloned");
  const { child, link } = await startProject(folder, journey);
  opened.defer(async () => {
    const ended = once(child, "exit");
    process.kill(-child.pid!, "SIGTERM");
    await ended;
  });
  journey.done("npm start has printed the link");
  await goThrough(await browser.newPage(), link, journey);
  printSteps(journey.steps);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
