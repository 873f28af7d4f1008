/** docs/guides: every command and every file of each guide, in its order, as somebody would follow it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { transform } from "esbuild";
import { buildProgram, type User } from "../cli/program.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { addCommand, type Block, createShellUser, readBlocks, runScript } from "./shell-pages.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const GUIDES = join(ROOT, "docs", "guides");
const SECRETS_KEY = Buffer.alloc(32, 7).toString("base64");
/** A guide has some twenty programs after each other: patience, for a machine that has much else to do. */
const PATIENCE_MS = 900_000;
const ITEMS = [{ title: "One", url: "https://example.com/1" }];

/** Of packages that are here: nothing is asked of a registry. */
const NPM = `[ "$1" = install ] || exit 1
shift
mkdir -p node_modules
for name; do
  [ -d '${ROOT}/node_modules/'"$name" ] || { echo "there is no $name here" >&2; exit 1; }
  ln -s '${ROOT}/node_modules/'"$name" node_modules/
done`;

let cluster: Cluster;
let sink: HttpSink;
const users: User[] = [];

before(async () => {
  await buildProgram();
  sink = await createHttpSink(({ url }) => ({
    headers: { "content-type": "application/json" },
    body: JSON.stringify(url === "/items" ? ITEMS : { taken: true }),
  }));
  const env = { BELLHOP_SECRETS_KEY: SECRETS_KEY, EMAIL_CAPTURE: "true" };
  cluster = await startCluster({ schedulers: 1, workers: 1, env });
});
after(async () => {
  await cluster?.stop();
  await sink?.close();
  for (const user of users) await user.leave();
});

/** Files are written where they stand in the page. */
function toScript(blocks: readonly Block[]): string {
  return blocks
    .filter(({ language, note }) => language !== "text" && note !== "before")
    .map(({ language, note, text }) => {
      if (language === "sh" && note === "") return text;
      assert.notEqual(note, "", `a block of ${language} is neither a file nor a command`);
      return `mkdir -p "$(dirname "$HOME/${note}")"\ncat > "$HOME/${note}" <<'END-OF-FILE'\n${text}END-OF-FILE\n`;
    })
    .join("");
}

/** What stands elsewhere cannot be run here; it is at least what it says it is. */
async function checkBefore({ language, text }: Block): Promise<void> {
  if (language === "json") JSON.parse(text);
  else await transform(text, { loader: language as "js" });
}

async function runGuide(name: string): Promise<string> {
  const { url: BASE, key: KEY } = cluster.api;
  const user = await createShellUser({ BASE, KEY, HOOK: `${sink.url}/hook`, ITEMS: `${sink.url}/items` });
  users.push(user);
  await addCommand(user, "npm", NPM);
  assert.equal((await user.run(["login", "--url", BASE], { input: KEY })).code, 0);
  const blocks = await readBlocks(join(GUIDES, name));
  for (const block of blocks) if (block.note === "before") await checkBefore(block);
  return await runScript(user, toScript(blocks));
}

test("a webhook every weekday", { timeout: PATIENCE_MS }, async () => {
  const said = await runGuide("webhook-every-weekday.md");
  assert.match(said, /At 09:00, Monday through Friday/);
  const [hook] = await sink.waitFor(({ url }) => url === "/hook");
  assert.deepEqual([hook!.method, hook!.body], ["POST", '{"text":"Stand-up in 15 minutes"}']);
  assert.ok(hook!.headers["webhook-signature"]);
});

test("a digest by e-mail, which is sent once", { timeout: PATIENCE_MS }, async () => {
  const said = await runGuide("digest-email.md");
  assert.match(said, /INFO {2}the digest is on its way/);
  const { items } = await cluster.api.call<{ items: object[] }>("GET", "/v1/tasks?type=email");
  assert.equal(items.length, 1);
});

test("a function with npm packages", { timeout: PATIENCE_MS }, async () => {
  const said = await runGuide("npm-packages.md");
  assert.match(said, /with date-fns, papaparse/);
  assert.match(said, /"rows": 2,\n {2}"total": 7/);
});

test("a Hono app", { timeout: PATIENCE_MS }, async () => {
  const said = await runGuide("hono-app.md");
  assert.match(said, /\{"item":"tea","price":3,"currency":"EUR"\}/);
  assert.match(said, /\{"item":"tea","price":4,"currency":"EUR"\}/);
});

test("moving from elsewhere", { timeout: PATIENCE_MS }, async () => {
  const said = await runGuide("moving.md");
  assert.match(said, /\{"count":1,"greeting":"hello"\}/);
});

test("each guide is run here and listed in their README, and no other", async () => {
  const guides = readdirSync(GUIDES)
    .filter((name) => name !== "README.md")
    .sort();
  assert.deepEqual(guides, [
    ...["digest-email.md", "hono-app.md", "moving.md", "npm-packages.md", "webhook-every-weekday.md"],
  ]);
  const links = readFileSync(join(GUIDES, "README.md"), "utf8").matchAll(/\]\(([\w-]+\.md)\)/g);
  assert.deepEqual([...links].map(([, name]) => name).sort(), guides);
});
