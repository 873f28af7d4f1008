import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { findPort, ROLE_PORTS } from "../../scripts/check-health.ts";
import { startProcess } from "../support/processes.ts";

const commandLine = (...words: string[]) => words.map((word) => `${word}\0`).join("");

test("the port is PORT, or that of the role that process 1 runs", () => {
  const api = commandLine("/usr/bin/tini", "--", "node", "api/main.ts");
  assert.equal(findPort({}, api), 8080);
  assert.equal(findPort({ PORT: "9000" }, api), 9000);
  assert.equal(findPort({ PORT: " " }, api), 8080);
  assert.equal(findPort({}, commandLine("node", "scheduler/main.ts")), 8081);
  assert.equal(findPort({}, commandLine("node", "/app/runtime/main.ts")), 8082);
  assert.equal(findPort({}, commandLine("tini", "--", "node", "runtime/autoscaler/main.ts")), 8083);
});

test("what is no port and what is no role is refused in words", () => {
  assert.throws(() => findPort({ PORT: "0" }, ""), /PORT is 0: the health check needs the number of a port/);
  assert.throws(
    () => findPort({}, commandLine("node", "core/store/migrate-command.ts", "up")),
    /no role with a port of its own/,
  );
});

test("a role's own port is what the role says of itself", () => {
  for (const [program, port] of Object.entries(ROLE_PORTS)) {
    const help = execFileSync(process.execPath, [program, "--help"], {
      cwd: join(import.meta.dirname, "..", ".."),
      encoding: "utf8",
    });
    assert.match(help, new RegExp(`^ {2}PORT .*\\[${port}\\]$`, "m"), program);
  }
});

test("ready is exit code 0, anything else 1, and the answer is told", async (t) => {
  let status = 200;
  const server = createServer((request, response) =>
    response.writeHead(request.url === "/readyz" ? status : 404).end('{"status":"told"}'),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const env = { PORT: String((server.address() as AddressInfo).port) };
  const check = async () => {
    const process = startProcess("scripts/check-health.ts", { env });
    return { code: (await process.exited).code, lines: process.lines };
  };
  assert.deepEqual(await check(), { code: 0, lines: ['{"status":"told"}'] });
  status = 503;
  assert.deepEqual(await check(), { code: 1, lines: ['{"status":"told"}'] });
  server.close();
  server.closeAllConnections();
  const { code, lines } = await check();
  assert.equal(code, 1);
  assert.match(lines.join(), /ECONNREFUSED/);
});
