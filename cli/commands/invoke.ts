/** `invoke`: calls a function and prints what it returns. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { Failure } from "../failure.ts";
import { readJsonInput } from "../json-input.ts";
import { showLines } from "../log-lines.ts";
import { toWholeNumber } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { describeRunError } from "../show-error.ts";

interface Options {
  async?: boolean;
  tag?: string;
  revision?: string;
  queue?: string;
  maxAttempts?: number;
  logs?: boolean;
}

export function addInvoke(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("invoke <function> [input]")
      .description("call a function and print its result; the input is JSON, @file, or - for stdin")
      .option("--async", "do not wait: print the run's id")
      .option("--logs", "print the run's log lines to stderr")
      .option("--tag <tag>", "the revision with this tag")
      .option("--revision <revision>", "a revision by its number or id")
      .option("--queue <queue>", "the queue of the call")
      .option("--max-attempts <count>", "how often it is tried; default: 1", (text) =>
        toWholeNumber(text, 1, 100),
      )
      .action(withSession<Options>(cli, invoke)),
    'invoke hello \'{"name": "Ada"}\'',
    "invoke hello @input.json --logs",
    "invoke hello --async --json",
  );
}

async function invoke(session: Session, [name, given]: Arguments, options: Options): Promise<void> {
  const { out } = session;
  const input = given === undefined ? undefined : await readJsonInput(session, given, "input");
  try {
    const { runId, body } = await callFunction(session, name!, input, options);
    if (options.logs) await showLogs(session, runId);
    if (options.async) out.answer({ runId }, () => out.line(runId));
    else out.value(body);
  } catch (error) {
    const runId =
      error instanceof Failure ? (error.cause as Schemas["Problem"] | undefined)?.runId : undefined;
    if (runId === undefined) throw error;
    if (options.logs) await showLogs(session, runId);
    throw await withRunError(session, error as Failure, runId);
  }
}

export interface Answered {
  runId: string;
  body: unknown;
}

export async function callFunction(
  session: Session,
  name: string,
  input: unknown,
  { async: isAsync, tag, revision, queue, maxAttempts }: Options,
): Promise<Answered> {
  const asked = Object.entries({ tag, revision, queue, maxAttempts }).filter(
    ([, value]) => value !== undefined,
  );
  const query = new URLSearchParams(
    asked.map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
  const response = await session.request(
    `/v1/functions/${encodeURIComponent(name)}/invoke${query === "" ? "" : `?${query}`}`,
    {
      method: "POST",
      headers: { "content-type": "application/json", ...(isAsync ? { prefer: "respond-async" } : {}) },
      ...(input === undefined ? {} : { body: JSON.stringify(input) }),
    },
  );
  const body: unknown = await response.json();
  return { runId: response.headers.get("bellhop-run-id") ?? (body as { runId: string }).runId, body };
}

async function showLogs({ client, out }: Session, runId: string): Promise<void> {
  const { items } = await unwrap(client.GET("/v1/runs/{id}/logs", { params: { path: { id: runId } } }));
  showLines(out, items, (text) => out.note(text));
}

/** The run knows where it failed. */
export async function withRunError(
  { client, out }: Session,
  failure: Failure,
  runId: string,
): Promise<Failure> {
  const { data: run } = await client.GET("/v1/runs/{id}", { params: { path: { id: runId } } });
  const details = run?.error ? describeRunError(run.error, out.noteStyle).slice(1) : [];
  const { message, exitCode, code, cause, help } = failure;
  const hint = failure.hint ?? `The run: bellhop runs get ${runId}`;
  return new Failure(`${code}: ${message}`, {
    exitCode: code === "run_not_finished" ? exitCode : 1,
    code,
    details,
    cause,
    hint,
    help,
  });
}
