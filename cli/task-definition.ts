/** A task's definition, from the options of `tasks create` or from a file. */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { usageFailure } from "./failure.ts";
import { readJsonInput } from "./json-input.ts";
import type { Cli } from "./session.ts";

export interface TaskOptions {
  http?: string;
  function?: string;
  email?: string[];
  file?: string;
  cron?: string;
  every?: string;
  at?: string;
  delay?: string;
  rrule?: string;
  timezone?: string;
  key?: string;
  name?: string;
  input?: string;
  method?: string;
  header?: string[];
  body?: string;
  subject?: string;
  text?: string;
  label?: string[];
  queue?: string;
  overlap?: string;
  catchUp?: string;
  timeout?: string;
  maxAttempts?: number;
}

/** Options of one type of tasks. */
const OPTIONS_OF_TYPE = {
  http: ["method", "header", "body"],
  function: ["input"],
  email: ["subject", "text"],
} as const;
type TaskType = keyof typeof OPTIONS_OF_TYPE;

const SCHEDULES = ["cron", "every", "at", "delay", "rrule"] as const;

export async function readTaskDefinition(cli: Cli, options: TaskOptions): Promise<Record<string, unknown>> {
  const base = options.file === undefined ? {} : await readDocument(cli, options.file);
  const target = readTarget(options);
  refuseOptionsOfOtherTypes(options, target["type"] ?? base["type"]);
  const definition = {
    ...base,
    ...target,
    ...(await readDetails(cli, options)),
    ...readSchedule(options),
    ...readPolicy(options),
  };
  if (!("type" in definition))
    throw usageFailure(
      "Say what the task does.",
      "Pass --http URL, --function NAME, --email ADDRESS, or --file.",
    );
  return definition;
}

async function readDocument(
  cli: Pick<Cli, "cwd" | "asking">,
  path: string,
): Promise<Record<string, unknown>> {
  const text =
    path === "-"
      ? undefined
      : await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
          throw usageFailure(`${path} cannot be read (${error.code}).`);
        });
  const value: unknown = text === undefined ? await readJsonInput(cli, "-", "task") : parseYaml(text, path);
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw usageFailure(`${path} holds no task: an object with its fields is one.`);
}

/** JSON is YAML. */
export function parseYaml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw usageFailure(`${path} is not YAML: ${(error as Error).message}`);
  }
}

function readTarget({ http, function: fn, email }: TaskOptions): Record<string, unknown> {
  if ([http, fn, email].filter((each) => each !== undefined).length > 1)
    throw usageFailure("--http, --function and --email exclude each other.");
  if (http !== undefined) return { type: "http", url: http };
  if (fn !== undefined) return { type: "function", function: fn };
  return email === undefined ? {} : { type: "email", to: email };
}

/** What would be left out is refused instead. Of a type that nobody knows the API says so. */
function refuseOptionsOfOtherTypes(options: TaskOptions, type: unknown): void {
  for (const [own, names] of Object.entries(OPTIONS_OF_TYPE) as [
    TaskType,
    readonly (keyof TaskOptions)[],
  ][]) {
    const given = names.find((name) => options[name] !== undefined);
    if (given === undefined || own === type || type === undefined) continue;
    throw usageFailure(
      `--${given} is for tasks of the type ${own}, and this one is of the type ${String(type)}.`,
      hintFor(given, type),
    );
  }
}

function hintFor(option: keyof TaskOptions, type: unknown): string | undefined {
  if (option === "body" && type === "function") return "A function is given its --input.";
  if (option === "input" && type === "http") return "A request is given its --body.";
  if ((option === "input" || option === "body") && type === "email") return "An e-mail is given its --text.";
  return undefined;
}

async function readDetails(cli: Cli, options: TaskOptions): Promise<Record<string, unknown>> {
  const { input, body, method, header, subject, text } = options;
  return {
    ...(method === undefined ? {} : { method: method.toUpperCase() }),
    ...(header === undefined ? {} : { headers: Object.fromEntries(header.map(toHeader)) }),
    ...(body === undefined ? {} : { body: await readJsonInput(cli, body, "body") }),
    ...(input === undefined ? {} : { input: await readJsonInput(cli, input, "input") }),
    ...(subject === undefined ? {} : { subject }),
    ...(text === undefined ? {} : { body: text }),
  };
}

function readSchedule(options: TaskOptions): Record<string, unknown> {
  const given = SCHEDULES.filter((kind) => options[kind] !== undefined);
  if (given.length > 1) throw usageFailure(`--${given[0]} and --${given[1]} exclude each other.`);
  const { timezone } = options;
  if (given.length === 0) {
    if (timezone !== undefined) throw usageFailure("--timezone goes with --cron, --at or --rrule.");
    return {};
  }
  return { schedule: { [given[0]!]: options[given[0]!], ...(timezone === undefined ? {} : { timezone }) } };
}

function readPolicy(options: TaskOptions): Record<string, unknown> {
  const { key, name, label, queue, overlap, catchUp, timeout, maxAttempts } = options;
  const fields = {
    key,
    name,
    queue,
    overlap,
    catchUp: catchUp === undefined ? undefined : { policy: catchUp },
    timeout,
    retry: maxAttempts === undefined ? undefined : { maxAttempts },
  };
  return {
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    ...(label === undefined ? {} : { labels: Object.fromEntries(label.map(toLabel)) }),
  };
}

function toLabel(pair: string): [string, string] {
  const at = pair.indexOf("=");
  if (at < 1) throw usageFailure(`--label takes name=value, not ${JSON.stringify(pair)}.`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function toHeader(line: string): [string, string] {
  const at = line.indexOf(":");
  if (at < 1) throw usageFailure(`--header takes "Name: value", not ${JSON.stringify(line)}.`);
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}
