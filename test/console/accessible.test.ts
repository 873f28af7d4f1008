/** Each view, filled: axe finds nothing serious in light and in dark, nothing is complained of, nothing is too wide for a phone. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { fillConsole, viewsOf } from "./fill-console.ts";
import { assertQuiet, findChromium, type OpenConsole, openConsole, settle } from "./open-console.ts";

const { program, skip } = await findChromium();
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };
const SERIOUS = new Set(["serious", "critical"]);

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

/** By the protocol, which the page's policy does not bind. */
async function findViolations(page: Page, rules?: readonly string[]): Promise<string[]> {
  const options = JSON.stringify(
    // What somebody else's e-mail is like is nothing that the console could mend.
    { ...(rules ? { runOnly: rules } : {}), resultTypes: ["violations"], iframes: false },
  );
  const found = await page.evaluate<Violation[]>(
    `axe.run(document, ${options}).then(({ violations }) => violations)`,
  );
  return found
    .filter(({ impact }) => SERIOUS.has(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

describe("the console's views", { skip, timeout: 600_000 }, () => {
  let console: OpenConsole;
  let views: Record<string, string>;
  before(async () => {
    console = await openConsole(program);
    views = viewsOf(await fillConsole(console.cluster.api));
  });
  after(() => console?.close());

  it("all of them", async () => {
    const page = await console.visit("/");
    await page.addInitScript({ path: AXE });
    const faults: string[] = [];
    for (const [name, view] of Object.entries(views)) {
      await page.setViewportSize(DESK);
      await page.emulateMedia({ colorScheme: "light" });
      await page.goto(`${console.url}${view}`);
      await settle(page);
      faults.push(...(await findViolations(page)).map((fault) => `${name} in light: ${fault}`));
      await page.emulateMedia({ colorScheme: "dark" });
      const inDark = await findViolations(page, ["color-contrast"]);
      faults.push(...inDark.map((fault) => `${name} in dark: ${fault}`));
      await page.setViewportSize(PHONE);
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      if (width > PHONE.width) faults.push(`${name} is ${width} pixels wide on a phone`);
      faults.push(...console.takeComplaints().map((complaint) => `${name}: ${complaint}`));
    }
    assert.deepEqual(faults, []);
  });

  it("the menu of a phone", async () => {
    const page = await console.visit("/", { viewport: PHONE, hasTouch: true });
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: "Queues", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Queues" }).waitFor();
    assertQuiet(console);
  });

  it("signed out", async () => {
    const page = await console.openTab();
    await page.addInitScript({ path: AXE });
    await page.goto(console.url);
    await page.getByLabel("API key").waitFor();
    assert.deepEqual(await findViolations(page), []);
    assertQuiet(console);
  });
});
