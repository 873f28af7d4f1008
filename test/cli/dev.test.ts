/** `bellhop dev` in a real terminal: a Bellhop of its own, a function that is saved again and again, a schedule to come. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildProgram, createUser, PROGRAM, type User } from "./program.ts";
import { CTRL_C, demandTerminal, ENTER, lackOfTerminal, startInTerminal } from "./terminal.ts";

const INTERRUPTED = 130;
/** It makes a database first. */
const START_MS = 180_000;
const STEP_MS = 120_000;
const YEAR = new Date().getUTCFullYear() + 1;

describe("bellhop dev", { skip: lackOfTerminal() }, () => {
  let user: User;

  before(async () => {
    demandTerminal();
    await buildProgram();
    user = await createUser({ API_TOKEN: "s3cr3t-token" });
  });
  after(() => user?.leave());

  const write = (path: string, text: string) => writeFile(join(user.folder, path), text);
  const start = (args: string[]) =>
    startInTerminal([process.execPath, PROGRAM, "dev", ...args], {
      env: user.env,
      cwd: user.folder,
      columns: 140,
    });

  test("each save is deployed and called, what does not build or fails is told, and Ctrl-C stops everything", {
    timeout: 3 * START_MS,
  }, async () => {
    const source = (line: string) => `export default (input: { name: string }, ctx) => {\n  ${line}\n};\n`;
    await write(
      "hello.ts",
      source('ctx.log.info("called"); return { hello: input.name, city: ctx.env.CITY };'),
    );
    const dev = start([
      "hello.ts",
      "--input",
      '{"name": "Ada"}',
      "--env",
      "CITY=Rome",
      "--secret",
      "API_TOKEN",
    ]);
    const first = await dev.waitForScreen(/"city": "Rome",\n {2}"hello": "Ada"/, START_MS);
    assert.match(first, /hello revision 1, in /);
    assert.match(first, /INFO {2}called/);

    await write("hello.ts", source("const a = ;"));
    await dev.waitForScreen(/Error: .*build(.|\n)*hello\.ts:2:\d+/, STEP_MS);

    await write("hello.ts", source('throw new Error("no luck", { cause: new Error("bad weather") });'));
    const failed = await dev.waitForScreen(/function_error: no luck(.|\n)*bad weather/, STEP_MS);
    assert.match(failed, /at .*hello\.ts:2:\d+/);

    await write("hello.ts", source("return ctx.env.API_TOKEN.length;"));
    await dev.waitForScreen(/hello revision 3(.|\n)*^12$/m, STEP_MS);

    await write(
      "hello.ts",
      source('console.log("waiting"); return new Promise((done) => setTimeout(done, 25_000));'),
    );
    await dev.waitForScreen(/hello revision 4/, STEP_MS);
    await write("hello.ts", source('return "mended";'));
    await dev.waitForScreen(
      /hello revision 5(.|\n)*was cancelled in favour of the next one(.|\n)*^mended$/m,
      STEP_MS,
    );

    dev.type(CTRL_C);
    assert.equal(await dev.exited, INTERRUPTED);
    assert.match(dev.screen(), /Stopping it/);
    assert.ok(!dev.written().includes("s3cr3t"));
  });

  test("a schedule is fired instant by instant on a clock of its own, and q ends it", {
    timeout: 3 * START_MS,
  }, async () => {
    await write(
      "nightly.ts",
      "export default { scheduled: (event) => `due ${new Date(event.scheduledTime).toISOString()}` };\n",
    );
    const schedule = ["--cron", "30 2 1 * *", "--timezone", "Europe/Rome", "--at", `${YEAR}-03-01T01:30:00Z`];
    const dev = start(["nightly.ts", ...schedule]);
    await dev.waitForScreen(new RegExp(`due ${YEAR}-03-01T01:30:00`), START_MS);
    dev.type(ENTER);
    await dev.waitForScreen(new RegExp(`due ${YEAR}-04-01T00:30:00`), STEP_MS);
    dev.type("q");
    assert.equal(await dev.exited, 0);
  });

  test("what cannot be is refused, if possible before anything is started", {
    timeout: 3 * START_MS,
  }, async () => {
    await write("hello.ts", "export default () => 1;\n");
    const cases: [string[], number, RegExp][] = [
      [["nowhere.ts"], 2, /There is no file or folder nowhere\.ts/],
      [["hello.ts", "--at", "2027-01-01T00:00:00Z"], 2, /--at goes with --cron/],
      [["hello.ts", "--cron", "0 0 * * *", "--at", "soon"], 2, /--at takes an instant/],
      [["hello.ts", "--cron", "never"], 2, /--cron "never": a cron expression has five fields/],
      [["hello.ts", "--cron", "0 0 30 2 *"], 2, /--cron "0 0 30 2 \*": this expression never fires/],
      [["hello.ts", "--cron", "@reboot"], 2, /--cron "@reboot": .* is not known/],
      [["hello.ts", "--secret", "MISSING"], 2, /the environment has no MISSING/],
      [["hello.ts", "--input", "{"], 2, /The input is not JSON/],
    ];
    for (const [args, code, says] of cases) {
      const ended = await user.run(["dev", ...args]);
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /Starting/);
    }
    const wrong = await user.run(["dev", "hello.ts", "--cron", "0 0 * * *", "--timezone", "Nowhere"]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /schedule\.timezone/);
    const ended = await user.run(["dev", "hello.ts"], { env: { BELLHOP_HOME: user.folder } });
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /There is no Bellhop to run in .*\n(.|\n)*BELLHOP_HOME/);
  });
});
