/** A picture of each view of the console, filled: in light, in dark, and on a phone. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BrowserContextOptions, Page } from "playwright-core";
import { messageOf } from "../../../core/errors.ts";
import { startTestPostgres } from "../../support/servers.ts";
import { fillConsole, viewsOf } from "../fill-console.ts";
import { findChromium, type OpenConsole, openConsole, settle } from "../open-console.ts";

const HELP = `npm run console-pictures -- --out FOLDER [--only NAME]

Starts the roles on a PostgreSQL of their own, fills a namespace, and takes a picture of each view of the console in
light, in dark and on a phone: FOLDER/overview-light.png and so on. --only takes those whose name has NAME in it.`;

const KINDS: Record<string, BrowserContextOptions> = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: {
    colorScheme: "light",
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    hasTouch: true,
  },
};

async function takePictures(console: OpenConsole, out: string, only: string): Promise<number> {
  await mkdir(out, { recursive: true });
  const views = { "sign-in": "", ...viewsOf(await fillConsole(console.cluster.api)) };
  let taken = 0;
  for (const [kind, options] of Object.entries(KINDS))
    for (const [name, view] of Object.entries(views)) {
      const picture = `${name}-${kind}`;
      if (!picture.includes(only)) continue;
      const page =
        name === "sign-in" ? await openSignIn(console, options) : await console.visit(view, options);
      await settle(page);
      await page.screenshot({ path: join(out, `${picture}.png`), fullPage: kind === "phone" });
      await page.context().close();
      taken += 1;
    }
  return taken;
}

async function openSignIn(console: OpenConsole, options: BrowserContextOptions): Promise<Page> {
  const page = await console.openTab(options);
  await page.goto(console.url);
  return page;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { out: { type: "string" }, only: { type: "string", default: "" }, help: { type: "boolean" } },
  });
  if (values.help || values.out === undefined) {
    process.stdout.write(`${HELP}\n`);
    return values.help ? 0 : 2;
  }
  const chromium = await findChromium();
  if (chromium.skip !== false) throw new Error(chromium.skip);
  const postgres = process.env["TEST_DATABASE_URL"] ? undefined : await startTestPostgres();
  if (postgres) process.env["TEST_DATABASE_URL"] = postgres.address;
  try {
    const console = await openConsole(chromium.program);
    try {
      const taken = await takePictures(console, resolve(values.out), values.only);
      process.stdout.write(`${taken} pictures in ${values.out}\n`);
    } finally {
      await console.close();
    }
    return 0;
  } finally {
    await postgres?.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
