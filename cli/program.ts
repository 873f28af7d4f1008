/** All commands, and what they have in common. */
import { Command } from "commander";
import { addApply } from "./commands/apply.ts";
import { addBulk } from "./commands/bulk.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDeadLetters } from "./commands/dead-letters.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addErrors } from "./commands/errors.ts";
import { addFunctions } from "./commands/functions.ts";
import { addHooks } from "./commands/hooks.ts";
import { addInit } from "./commands/init.ts";
import { addInvoke } from "./commands/invoke.ts";
import { addKeys } from "./commands/keys.ts";
import { addLogin } from "./commands/login.ts";
import { addLogs } from "./commands/logs.ts";
import { addMcp } from "./commands/mcp.ts";
import { addOpen } from "./commands/open.ts";
import { addQueues } from "./commands/queues.ts";
import { addRuns } from "./commands/runs.ts";
import { addSecrets } from "./commands/secrets.ts";
import { addTasks } from "./commands/tasks.ts";
import { addTop } from "./commands/top.ts";
import { addTraffic } from "./commands/traffic.ts";
import { addUpcoming } from "./commands/upcoming.ts";
import type { Cli } from "./session.ts";

const ADDITIONS = [
  ...[addLogin, addInit, addDev, addDeploy, addInvoke, addLogs, addFunctions, addTraffic],
  ...[addTasks, addUpcoming, addRuns, addErrors, addDeadLetters, addQueues, addBulk, addApply],
  ...[addHooks, addSecrets, addKeys, addTop, addOpen, addDoctor, addMcp, addCompletion],
];

export function createProgram(cli: Cli): Command {
  const program = new Command("bellhop")
    .description("Schedules HTTP calls, e-mails and functions, and shows their results.")
    .version(cli.version)
    .option("--json", "print JSON")
    .option("--profile <name>", "the profile to use instead of the current one")
    .option("--url <address>", "the API's address instead of BELLHOP_URL")
    .option("--namespace <name>", "the namespace to act in; needs an operator's key")
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showHelpAfterError("Add --help to see how it is used.")
    .exitOverride()
    .addHelpText(
      "after",
      "\nExamples:\n  $ bellhop login\n  $ bellhop deploy hello.ts\n  $ bellhop tasks list --json",
    );
  for (const add of ADDITIONS) add(program, cli);
  return program;
}
