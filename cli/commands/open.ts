/** `open`: the console, at the thing that is named. */
import { spawn } from "node:child_process";
import type { Command } from "commander";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { usageFailure } from "../failure.ts";
import type { Cli, Session } from "../session.ts";

const PAGES = [
  ...["overview", "tasks", "runs", "functions", "errors", "dead-letters", "bulk", "queues"],
  ...["workers", "mailbox", "secrets", "keys", "audit", "usage"],
];

export function addOpen(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("open [page] [id]")
      .description(`open the console, or a page of it: ${PAGES.join(", ")}`)
      .option("--print", "only print the address")
      .action(withSession<{ print?: boolean }>(cli, openConsole)),
    "open",
    "open functions hello --print",
  );
}

async function openConsole(
  { out, target }: Session,
  [page, id]: Arguments,
  { print }: { print?: boolean },
): Promise<void> {
  if (page !== undefined && !PAGES.includes(page))
    throw usageFailure(`The console has no page ${JSON.stringify(page)}.`, `Pages: ${PAGES.join(", ")}`);
  const parts = [page === "overview" ? undefined : page, id].filter((part) => part !== undefined);
  const url = [`${target.url}/console`, ...parts.map(encodeURIComponent)].join("/");
  out.answer({ url }, () => out.line(url));
  if (!print && !out.json && out.isTerminal) openBrowser(url);
}

/** Where there is none the address is printed all the same. */
function openBrowser(url: string): void {
  const command = process.platform === "darwin" ? "open" : "xdg-open";
  const browser = spawn(command, [url], { detached: true, stdio: "ignore" });
  browser.on("error", () => {});
  browser.unref();
}
