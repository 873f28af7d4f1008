/** `/docs` in a real browser, where there is one: under its own policy the page loads, its script runs, and nothing is complained of. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { getRequestListener } from "@hono/node-server";
import { provideChromium } from "../../test/tools/chromium.ts";
import { skipUnlessStrict } from "../../test/tools/skip.ts";
import { openApi } from "../testing/open-api.ts";

const run = promisify(execFile);
const chromium = await provideChromium();
const options = { skip: typeof chromium === "string" ? false : skipUnlessStrict(chromium.skip) };

const api = await openApi();
const answer = getRequestListener(async (request) => {
  if (new URL(request.url).pathname !== "/planted") return await api.app.fetch(request);
  const page = await api.app.request("/docs");
  const text = (await page.text()).replace("</body>", "<script>document.title = 'x';</script></body>");
  return new Response(text, page);
});
const server = createServer((request, response) => void answer(request, response));
await once(server.listen(0, "127.0.0.1"), "listening");
after(() => server.close());

/** The page as it stands when its script has run, and what the browser's console says. */
async function visit(path: string): Promise<{ page: string; complaints: string[] }> {
  const profile = await mkdtemp(join(tmpdir(), "bellhop-chromium-"));
  try {
    const { port } = server.address() as AddressInfo;
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"];
    const { stdout, stderr } = await run(
      chromium as string,
      [...flags, `--user-data-dir=${profile}`, "--dump-dom", `http://127.0.0.1:${port}${path}`],
      { maxBuffer: 32_000_000 },
    );
    return { page: stdout, complaints: stderr.split("\n").filter((line) => line.includes("CONSOLE")) };
  } finally {
    await rm(profile, { recursive: true, force: true });
  }
}

for (const path of ["/docs", "/docs/", "/docs/errors"])
  test(`${path} runs its script, and the console is empty`, options, async () => {
    const { page, complaints } = await visit(path);
    assert.deepEqual(complaints, []);
    assert.ok(page.includes('<label>Find <input type="search"'), "its script shows the field to search by");
  });

test("a script that is planted in the page does not run, and is complained of", options, async () => {
  const { page, complaints } = await visit("/planted");
  assert.match(complaints.join("\n"), /Content Security Policy/);
  assert.doesNotMatch(page, /<title>x/);
});
