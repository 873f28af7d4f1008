/**
 * The image's health check: whether the role of this container is ready. Exit code 0 or 1, and the answer on stdout.
 * The role is what process 1 runs, its port PORT or the role's own.
 */
import { readFileSync } from "node:fs";
import { get } from "node:http";

const TIMEOUT_MS = 4_000;

/** The port of a role whose PORT is not set, by its program. */
export const ROLE_PORTS: Readonly<Record<string, number>> = {
  "api/main.ts": 8080,
  "scheduler/main.ts": 8081,
  "runtime/main.ts": 8082,
  "runtime/autoscaler/main.ts": 8083,
};

const HELP = `node scripts/check-health.ts

Asks the role that process 1 runs for /readyz, at PORT of 127.0.0.1 or the role's own port:
${Object.entries(ROLE_PORTS)
  .map(([program, port]) => `  ${port}  ${program}\n`)
  .join("")}`;

/** `commandLine`: that of process 1, words ended by zero bytes. */
export function findPort(env: NodeJS.ProcessEnv, commandLine: string): number {
  const given = env["PORT"]?.trim();
  if (given) {
    const port = Number(given);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
    throw new Error(`PORT is ${given}: the health check needs the number of a port.`);
  }
  const words = commandLine.split("\0");
  const [, port] =
    Object.entries(ROLE_PORTS).find(([program]) =>
      words.some((word) => word === program || word.endsWith(`/${program}`)),
    ) ?? [];
  if (port === undefined)
    throw new Error("Process 1 runs no role with a port of its own: set PORT, or switch the check off.");
  return port;
}

function askReadiness(port: number): Promise<{ isReady: boolean; text: string }> {
  return new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path: "/readyz", timeout: TIMEOUT_MS }, (response) => {
      response.setEncoding("utf8");
      let text = "";
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ isReady: response.statusCode === 200, text }));
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.on("error", reject);
  });
}

async function main(): Promise<void> {
  if (process.argv.includes("--help")) {
    process.stdout.write(HELP);
    return;
  }
  const port = findPort(process.env, readFileSync("/proc/1/cmdline", "utf8"));
  const { isReady, text } = await askReadiness(port);
  process.stdout.write(`${text}\n`);
  if (!isReady) process.exitCode = 1;
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
