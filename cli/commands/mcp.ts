/** `mcp`: the API's tools for a model, whose program starts this one and talks to it on stdin and stdout. */
import type { Command } from "commander";
import { addExamples, withSession } from "../command.ts";
import { openBridge } from "../mcp-bridge.ts";
import { readLines } from "../read-lines.ts";
import type { Cli, Session } from "../session.ts";

const REGISTER = `
Clients are told of it in their settings, many of them so:
  {
    "mcpServers": {
      "bellhop": { "command": "bellhop", "args": ["mcp", "--profile", "assistant"] }
    }
  }
bellhop login --profile assistant gives it a key of its own. What the tools may do is up to that key.`;

export function addMcp(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("mcp")
      .description("serve the API's tools to a model on stdin and stdout (Model Context Protocol)")
      .action(withSession(cli, serve)),
    "mcp --profile assistant",
  ).addHelpText("after", REGISTER);
}

/** Until stdin ends. Nothing but messages is written to stdout, a line each. */
async function serve({ out, signal, request }: Session): Promise<void> {
  if (process.stdin.isTTY)
    out.note("This command is for programs: it waits for messages on stdin. Ctrl-D quits.");
  const { take, settle } = openBridge({
    request,
    send: (answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`),
    tell: (problem) => out.note(problem),
  });
  for await (const line of readLines(process.stdin, signal)) take(line);
  if (!signal.aborted) await settle();
}
