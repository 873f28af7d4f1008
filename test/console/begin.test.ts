/** What people do in the console, in a real browser against real roles: what a newcomer does, from the first sign-in to a schedule. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { eventually } from "../system/runs.ts";
import { assertQuiet, findChromium, type OpenConsole, openConsole } from "./open-console.ts";

const { program, skip } = await findChromium();

describe("the console", { skip, timeout: 600_000 }, () => {
  let console: OpenConsole;
  before(async () => {
    console = await openConsole(program);
  });
  after(() => console?.close());

  const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const call = (method: string, path: string, body?: unknown) =>
    console.cluster.api.call<Record<string, never>>(method, path, body);

  /** Instead of what stands in the editor, which the shadow root keeps. */
  async function write(page: Page, label: string, source: string): Promise<void> {
    const editor = page.getByRole("textbox", { name: label });
    await editor.click();
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Delete");
    // As it is: what is typed would be completed and indented.
    await page.keyboard.insertText(source);
  }

  it("signs in by a link, once; a reload stays signed in, another tab is not, and signing out ends the key", async () => {
    const link = await console.makeLink();
    const page = await console.openTab();
    await page.goto(link);
    await heading(page, "Overview").waitFor();
    assert.equal(new URL(page.url()).hash, "");
    await page.reload();
    await heading(page, "Overview").waitFor();
    const key = await page.evaluate<string>("sessionStorage.getItem('bellhop.key')");
    assert.deepEqual(await page.context().cookies(), []);

    const other = await console.openTab();
    await other.goto(link);
    await other.getByText("unknown, was used before, or has expired").waitFor();
    await button(page, "Sign out").click();
    await heading(page, "Bellhop").waitFor();
    const answer = () =>
      fetch(`${console.cluster.api.url}/v1/whoami`, { headers: { authorization: `Bearer ${key}` } });
    await eventually("the key's end", answer, ({ status }) => status === 401);

    await other.getByLabel("API key").fill(console.cluster.api.key);
    await button(other, "Sign in").click();
    await heading(other, "Overview").waitFor();
    assertQuiet(console);
  });

  it("ends no key that was typed, also where a link's own could not be tried before", async () => {
    const { key } = await call("POST", "/v1/keys", { name: "typed", scopes: ["read"] });
    const page = await console.openTab();
    await page.route("**/v1/whoami", (route) => route.abort(), { times: 1 });
    await page.goto(await console.makeLink());
    await page.getByText("The API cannot be reached.").waitFor();
    // What the browser says of the request that was broken off.
    console.takeComplaints();
    const revoked: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "DELETE") revoked.push(request.url());
    });
    const signIn = async () => {
      await page.getByLabel("API key").fill(key!);
      await button(page, "Sign in").click();
      await heading(page, "Overview").waitFor();
    };
    await signIn();
    await button(page, "Sign out").click();
    await heading(page, "Bellhop").waitFor();
    await signIn();
    assert.deepEqual(revoked, []);
    assertQuiet(console);
  });

  it("deploys a function, shows where a broken one is broken, and runs the mended one", async () => {
    const page = await console.visit("/functions/new");
    await page.getByLabel("Name", { exact: true }).fill("adder");
    await write(page, "Source", "export default (input) => {\n  return input.a +;\n}\n");
    await button(page, "Deploy").click();
    await page.getByText("Nothing was deployed.").waitFor();
    await page.getByText("adder.ts:2:").waitFor();
    await page.locator(".cm-lint-marker-error").waitFor();

    await write(
      page,
      "Source",
      "export default (input, ctx) => {\n  ctx.log.info('adding');\n  return input.a + input.b;\n}\n",
    );
    await button(page, "Deploy").click();
    await heading(page, "adder").waitFor();
    await page.getByLabel("Input, as JSON").fill('{"a": 2, "b": 40}');
    await button(page, "Invoke").click();
    await page.getByRole("region", { name: "Result" }).getByText("42").waitFor();
    await page.getByRole("list", { name: "Log" }).getByText("adding").waitFor();
    assertQuiet(console);
  });

  it("mends a function in its code, sees both revisions, and splits the traffic", async () => {
    await call("PUT", "/v1/functions/split", { files: { "split.ts": "export default () => 'one';\n" } });
    const page = await console.visit("/functions/split");
    await write(page, "split.ts", "export default () => 'two';\n");
    await page.keyboard.press("Control+s");
    await page.getByText("Revision 2 is deployed.").waitFor();
    await page.getByRole("link", { name: "Revisions and traffic" }).click();
    await button(page, "Changes").click();
    await page.locator(".cm-deletedChunk").getByText("one").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await button(page, "Tags").first().click();
    await page.getByRole("dialog").getByLabel("Tag", { exact: true }).fill("next");
    await page.getByRole("dialog").getByRole("button", { name: "Set the tag" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove the tag next" }).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await page.getByRole("table").getByText("@next").waitFor();
    await button(page, "Split traffic").click();
    await page.getByLabel("Revision 1, in percent").fill("10");
    await page.getByLabel("Revision 2, in percent").fill("90");
    await page.getByRole("dialog").getByRole("button", { name: "Split", exact: true }).click();
    await page.getByText("revision 2 (90 %) and 1 more").waitFor();
    assert.deepEqual(Object.values((await call("GET", "/v1/functions/split"))["traffic"]!).sort(), [10, 90]);
    assertQuiet(console);
  });

  it("schedules it with a preview, and sees its runs come live", async () => {
    await call("PUT", "/v1/functions/tick", { source: "export default () => 'tock';" });
    const page = await console.visit("/tasks/new?function=tick");
    await page.getByLabel("Every", { exact: true }).fill("nonsense");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Every", { exact: true }).fill("1s");
    await page.getByText("Every 1s.").waitFor();
    await page.getByRole("region", { name: "Request" }).getByText('"every": "1s"').waitFor();
    await page.getByRole("region", { name: "Command" }).getByText("--every 1s").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("ticking");
    await button(page, "Make the task").click();
    await heading(page, "ticking").waitFor();
    // Nobody reloads: the third run comes by itself.
    await page.locator("tbody tr", { hasText: "succeeded" }).nth(2).waitFor();
    await button(page, "Pause").click();
    await page.getByText("The task is paused: nothing is due until it is resumed.").waitFor();
    await page.locator("tbody a").last().click();
    await heading(page, "tick").waitFor();
    await page.getByText('"tock"').waitFor();
    assertQuiet(console);
  });

  it("sees on the overview what went on, and of a function and of a request what they took", async () => {
    await call("PUT", "/v1/functions/told", { source: "export default () => 1;" });
    await call("POST", "/v1/functions/told/invoke", {});
    const page = await console.visit("/");
    for (const name of ["Runs a minute", "Lateness", "Backlog", "Workers"])
      await page.getByRole("heading", { level: 3, name, exact: true }).waitFor();
    await page.getByText("6 hours").click();
    await page.getByRole("heading", { level: 3, name: "Runs in 5m", exact: true }).waitFor();
    assert.match(page.url(), /span=6h/);
    await page.goto(`${console.url}/functions/told?tab=runs`);
    await page.getByText("Cold starts").waitFor();
    // Nothing private is called: that is told of at once.
    const task = { type: "http", method: "PUT", url: "http://10.1.2.3/", body: { a: 1 } };
    const { runId } = await call("POST", "/v1/tasks", task);
    await page.goto(`${console.url}/runs/${runId}`);
    await page.getByText("PUT http://10.1.2.3/").waitFor();
    await page.getByText("egress_blocked").first().waitFor();
    assertQuiet(console);
  });
});
