/** The roles as real processes, and a real Chromium that looks at their console. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type Browser, type BrowserContextOptions, chromium, type Page, type Request } from "playwright-core";
import { openStore } from "../../core/store/database.ts";
import { createSignInCode } from "../../core/store/sign-in-codes.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { provideChromium } from "../tools/chromium.ts";
import { skipUnlessStrict } from "../tools/skip.ts";

const PATIENCE_MS = 60_000;

/** The program; or why there is none, for tests to skip by. */
export async function findChromium(): Promise<
  { program: string; skip: false } | { program: ""; skip: string }
> {
  const found = await provideChromium();
  if (typeof found === "string") return { program: found, skip: false };
  return { program: "", skip: skipUnlessStrict(found.skip) };
}

export const launchChromium = (program: string): Promise<Browser> =>
  chromium.launch({
    executablePath: program,
    args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
  });

export interface OpenConsole {
  cluster: Cluster;
  /** `http://127.0.0.1:…/console`. */
  url: string;
  /** A link that signs in once. */
  makeLink(): Promise<string>;
  /** A tab of its own, signed in by the key, at a view such as `/tasks`. */
  visit(view: string, options?: BrowserContextOptions): Promise<Page>;
  /** A tab where nobody is signed in. */
  openTab(options?: BrowserContextOptions): Promise<Page>;
  /** What browsers' consoles have said since the last time, and requests to anywhere else. */
  takeComplaints(): string[];
  close(): Promise<void>;
}

export async function openConsole(program: string): Promise<OpenConsole> {
  const cluster = await startCluster({
    ...{ schedulers: 1, workers: 1 },
    env: { EMAIL_CAPTURE: "true", BELLHOP_SECRETS_KEY: randomBytes(32).toString("base64") },
  });
  const browser = await launchChromium(program);
  const origin = cluster.api.url;
  const url = `${origin}/console`;
  let complaints: string[] = [];
  let foreign: Request[] = [];

  const listen = (page: Page) => {
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("console", (message) => {
      // A refusal that a view shows in words is told of by the browser too.
      const isAnswer = /the server responded with a status of (4\d\d|5\d\d)/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !isAnswer) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (!/^(data|blob|about):/.test(request.url()) && !request.url().startsWith(origin))
        foreign.push(request);
    });
  };
  const openTab = async (options: BrowserContextOptions = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    const page = await context.newPage();
    listen(page);
    return page;
  };
  return {
    ...{ cluster, url, openTab },
    async makeLink() {
      const store = openStore({
        ...{ databaseUrl: cluster.databaseUrl, applicationName: "test", maxConnections: 1 },
        onError: () => {},
      });
      try {
        return `${url}/sign-in#${await createSignInCode(store)}`;
      } finally {
        await store.close();
      }
    },
    async visit(view, options) {
      const page = await openTab(options);
      await page.addInitScript((key) => {
        // A sandboxed frame has none.
        if ((globalThis as { origin?: string }).origin !== "null") sessionStorage.setItem("bellhop.key", key);
      }, cluster.api.key);
      await page.goto(`${url}${view}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      return page;
    },
    takeComplaints() {
      const sent = foreign.filter(wasSent).map((request) => `a request to ${request.url()}`);
      const taken = [...complaints, ...sent];
      complaints = [];
      foreign = [];
      return taken;
    },
    async close() {
      await browser.close();
      await cluster.stop();
    },
  };
}

/** What a policy refuses may be told of as a request, too, which then fails as refused. */
export function wasSent(request: Request): boolean {
  const failure = request.failure();
  return failure === null || /^net::ERR_(?!BLOCKED)/.test(failure.errorText);
}

/** Nothing was complained of. */
export function assertQuiet({ takeComplaints }: Pick<OpenConsole, "takeComplaints">): void {
  assert.deepEqual(takeComplaints(), []);
}

/** Nothing loads any more. Only the views themselves say so: the stream of events keeps the network busy for good. */
export async function settle(page: Page): Promise<void> {
  await page.locator("main h1").waitFor();
  for (const loading of ["main [role=status]", "main [data-ready=false]"])
    while ((await page.locator(loading).count()) > 0)
      await page.locator(loading).first().waitFor({ state: "detached" });
}
