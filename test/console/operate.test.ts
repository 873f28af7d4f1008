/** What people do in the console, in a real browser against real roles: what keeps things going. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page, Request } from "playwright-core";
import { assertQuiet, findChromium, type OpenConsole, openConsole, settle, wasSent } from "./open-console.ts";

const { program, skip } = await findChromium();
const MANY = 5_000;
const BATCH = 1_000;

describe("the console in use", { skip, timeout: 600_000 }, () => {
  let console: OpenConsole;
  before(async () => {
    console = await openConsole(program);
  });
  after(() => console?.close());

  const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const call = (method: string, path: string, body?: unknown) =>
    console.cluster.api.call<Record<string, never>>(method, path, body);

  /** Of all that came to functions' own URLs, whatever became of it. */
  async function countFunctionCalls(): Promise<number> {
    const metrics = await (await fetch(`${console.cluster.api.url}/metrics`)).text();
    const counts =
      metrics.match(/^bellhop_api_request_duration_seconds_count\{[^}]*\/fn\/[^}]*\} \d+$/gm) ?? [];
    return counts.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  it("finds a dead letter, reads the line that threw, mends it, and redrives", async () => {
    const broken = "export default () => {\n  throw new Error('the door is shut');\n};\n";
    await call("PUT", "/v1/functions/door", { files: { "door.ts": broken } });
    const retry = { maxAttempts: 1 };
    await call("POST", "/v1/tasks", { type: "function", name: "knock", function: "door", input: {}, retry });
    const page = await console.visit("/dead-letters");
    await page.getByRole("link", { name: "door" }).click();
    await page.getByRole("region", { name: "Source lines" }).getByText("▸    2    throw").waitFor();
    const opened = page.waitForEvent("popup");
    await page.getByRole("link", { name: "What to do about it" }).click();
    const help = await opened;
    await help.locator("#function_error:target").getByText("Check the stack").waitFor();
    await help.close();
    await call("PUT", "/v1/functions/door", { files: { "door.ts": "export default () => 'open';\n" } });
    await button(page, "Redrive").click();
    await page.getByText("The run is being retried.").waitFor();
    await page.locator(".page-head .badge", { hasText: "succeeded" }).waitFor();
    assertQuiet(console);
  });

  it("pauses a queue, sees who waits for it, and lets them go", async () => {
    await call("PUT", "/v1/queues/gate", { concurrency: 1 });
    await call("PUT", "/v1/functions/pass", { source: "export default () => 1;" });
    const page = await console.visit("/queues/gate");
    await button(page, "Pause").click();
    await page.getByText("until somebody resumes it").waitFor();
    await call("POST", "/v1/tasks", { type: "function", function: "pass", input: {}, queue: "gate" });
    await page.getByText("its queue is paused").waitFor();
    await button(page, "Resume").click();
    await page.getByText("No runs are active or waiting here.").waitFor();
    assertQuiet(console);
  });

  it(`cancels ${MANY} tasks that a filter finds, having said how many they are`, async () => {
    const task = {
      ...{ type: "http", url: "https://example.com/", schedule: { every: "1h" } },
      labels: { wave: "first" },
    };
    for (let made = 0; made < MANY; made += BATCH)
      await call("POST", "/v1/tasks/batch", { items: new Array(BATCH).fill(task) });
    const page = await console.visit("/tasks?label=wave%3Dfirst");
    await page.getByRole("link", { name: "Next page" }).click();
    await button(page, "Change all that match").click();
    await page.getByLabel("Action").selectOption("cancel");
    await page.getByText("5,000 tasks would change.").waitFor();
    await button(page, "Cancel 5,000").click();
    await heading(page, "Cancel tasks").waitFor();
    await page.getByText("5,000 of 5,000 done").waitFor({ timeout: 120_000 });
    assertQuiet(console);
  });

  it("hears the keyboard from the moment that the page is there", async () => {
    const page = await console.openTab();
    // Observers are told of what a render has changed before anything is painted.
    await page.addInitScript({
      content: `sessionStorage.setItem("bellhop.key", ${JSON.stringify(console.cluster.api.key)});
        new MutationObserver((_, observer) => {
          if (!document.querySelector(".find")) return;
          observer.disconnect();
          dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }));
        }).observe(document, { childList: true, subtree: true });`,
    });
    await page.goto(`${console.url}/`);
    await page.getByRole("dialog", { name: "Go to" }).waitFor();
    assertQuiet(console);
  });

  it("goes anywhere by the keyboard alone", async () => {
    await call("PUT", "/v1/functions/faraway", { source: "export default () => 1;" });
    const page = await console.visit("/");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("faraw");
    await page.getByRole("option", { name: /faraway/ }).waitFor();
    await page.keyboard.press("Enter");
    await heading(page, "faraway").waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("usa");
    await page.keyboard.press("Enter");
    await heading(page, "Usage").waitFor();
    await page.goBack();
    await heading(page, "faraway").waitFor();
    await settle(page);
    assertQuiet(console);
  });

  it("shows an e-mail in a frame where nothing of it runs or is fetched", async () => {
    // What strangers' functions serve has the console's own origin.
    const html =
      '<h1>Hello</h1><script>parent.document.title="x"</script><img src="https://example.com/p.png" onerror="alert(1)">' +
      '<img src="/fn/default/pixel"><link rel="stylesheet" href="/fn/default/style"><iframe src="/fn/default/page"></iframe>';
    const mail = {
      type: "email",
      to: ["ada@example.com"],
      from: "b@example.com",
      subject: "hostile",
      body: "b",
    };
    await call("POST", "/v1/tasks", { ...mail, html });
    const page = await console.visit("/mailbox");
    const requests: Request[] = [];
    page.on("request", (request) => void requests.push(request));
    const before = await countFunctionCalls();
    await page.getByRole("link", { name: "hostile" }).click();
    await page.frameLocator("iframe").getByRole("heading", { name: "Hello" }).waitFor();
    assert.equal(await page.title(), "hostile · Bellhop");
    await settle(page);
    const isForeign = (url: string) => url.includes("/fn/") || !url.startsWith(console.cluster.api.url);
    const sent = requests.filter((request) => isForeign(request.url()) && wasSent(request));
    assert.deepEqual(
      sent.map((request) => request.url()),
      [],
    );
    assert.equal(await countFunctionCalls(), before);
    await fetch(`${console.cluster.api.url}/fn/default/pixel`);
    assert.equal(await countFunctionCalls(), before + 1, "it would have been counted");
    const isRefusal = (text: string) => /sandboxed|Content Security Policy|TrustedScript/.test(text);
    const complaints = console.takeComplaints();
    assert.ok(complaints.length > 0);
    assert.deepEqual(
      complaints.filter((text) => !isRefusal(text)),
      [],
    );
  });
});
