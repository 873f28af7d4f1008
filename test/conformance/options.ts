import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { FOLDERS } from "./folders.ts";

export const HELP = `npm run conformance -- --wpt DIR [options]

Runs tests of web-platform-tests in the real sandbox and, beside it, in node, and compares the sandbox's failures with
those that are expected (test/conformance/expectations.json).

  --wpt DIR               a checkout of web-platform-tests
  --folder F              only this folder, or one above it; may be repeated
  --file RE               only files whose path matches the regular expression
  --both                  in the sandbox and in node (the default)
  --sandbox               in the sandbox alone
  --node                  in node alone; nothing is expected of it
  --update-expectations   write what was seen: new failures to be judged, those that pass now taken out
  --json FILE             write every failure, with its message
  --help                  this text

Exit status: 0 all as expected, 1 an unexpected failure or pass, 2 a mistake in the options.`;

export interface Options {
  wpt: string;
  folders: readonly string[];
  file: RegExp | undefined;
  inSandbox: boolean;
  inNode: boolean;
  update: boolean;
  json: string | undefined;
}

/** A mistake of the caller's: one sentence, status 2. */
export class UsageError extends Error {}

/** Throws UsageError. */
export function parseOptions(args: readonly string[]): Options | "help" {
  const flag = { type: "boolean", default: false } as const;
  const values = parse(() =>
    parseArgs({
      args: [...args],
      options: {
        wpt: { type: "string" },
        folder: { type: "string", multiple: true },
        file: { type: "string" },
        both: flag,
        sandbox: flag,
        node: flag,
        "update-expectations": flag,
        json: { type: "string" },
        help: { ...flag, short: "h" },
      },
    }),
  ).values;
  if (values.help) return "help";
  if (values.wpt === undefined) throw new UsageError("Name a checkout of web-platform-tests: --wpt DIR.");
  const one = values.sandbox !== values.node && !values.both;
  const inSandbox = !one || values.sandbox;
  if (values["update-expectations"] && !inSandbox) {
    throw new UsageError("--update-expectations needs a run in the sandbox.");
  }
  const { file } = values;
  return {
    wpt: values.wpt,
    folders: selectFolders(values.folder),
    file: file === undefined ? undefined : parse(() => new RegExp(file)),
    inSandbox,
    inNode: !one || values.node,
    update: values["update-expectations"],
    json: values.json,
  };
}

function selectFolders(asked: readonly string[] | undefined): readonly string[] {
  if (!asked) return FOLDERS;
  const names = asked.map((name) => name.replace(/\/+$/, ""));
  for (const name of names) {
    if (!FOLDERS.some((folder) => isWithin(folder, name))) {
      throw new UsageError(
        `No folder ${JSON.stringify(name)} is measured. There are: ${FOLDERS.join(", ")}.`,
      );
    }
  }
  return FOLDERS.filter((folder) => names.some((name) => isWithin(folder, name)));
}

function isWithin(folder: string, name: string): boolean {
  return folder === name || folder.startsWith(`${name}/`);
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
