/**
 * Type errors of what is deployed, as the project's own TypeScript finds them: the API strips types and checks none. A
 * project without TypeScript or a tsconfig.json is not checked.
 */
import { spawn } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { Failure } from "../failure.ts";
import type { Source } from "./source.ts";

interface TypeError {
  /** Absolute. */
  file: string;
  line: number;
  column: number;
  message: string;
}

/** Fails where a file of the source has one. Answers a warning where the compiler says something else. */
export async function checkTypes({ root, inputs }: Source): Promise<string | undefined> {
  const project = await findProject(root);
  if (project === undefined) return undefined;
  const { tsc, config } = project;
  const folder = dirname(config);
  const { code, output } = await run([tsc, "--project", config, "--noEmit", "--pretty", "false"], folder);
  if (code === 0) return undefined;
  const found = readErrors(output, folder);
  // What others have left broken elsewhere in the project is not deployed.
  const errors = found.filter(({ file }) => inputs.includes(file));
  if (errors.length > 0) throw await typeFailure(errors, root);
  return found.length > 0
    ? undefined
    : `Types were not checked: ${output.trim().split("\n")[0] || "tsc failed"}`;
}

/** The nearest TypeScript, and the nearest tsconfig.json that is not above it. */
async function findProject(from: string): Promise<{ tsc: string; config: string } | undefined> {
  let config: string | undefined;
  for (let folder = from; ; folder = dirname(folder)) {
    const [ownConfig, tsc] = [join(folder, "tsconfig.json"), join(folder, "node_modules/typescript/bin/tsc")];
    if (config === undefined && (await exists(ownConfig))) config = ownConfig;
    if (await exists(tsc)) return config === undefined ? undefined : { tsc, config };
    if (dirname(folder) === folder) return undefined;
  }
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

async function run(args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((settle, reject) => {
    child.once("close", settle);
    child.once("error", reject);
  });
  const [output, code] = await Promise.all([text(child.stdout), ended]);
  return { code, output };
}

/** Pure. Lines such as `lib/a.ts(3,7): error TS2322: …`; what else they explain is indented below them. */
export function readErrors(output: string, folder: string): TypeError[] {
  return Array.from(
    output.matchAll(/^(\S.*?)\((\d+),(\d+)\): error (TS\d+): (.*)$/gm),
    ([, file, line, column, code, message]) => ({
      file: resolve(folder, file!),
      line: Number(line),
      column: Number(column),
      message: `${message} (${code})`,
    }),
  );
}

async function typeFailure(errors: readonly TypeError[], root: string): Promise<Failure> {
  const details = await Promise.all(
    errors.map(async ({ file, line, column, message }) => {
      const shown = (await readFile(file, "utf8")).split("\n")[line - 1] ?? "";
      const place = `${relative(root, file)}:${line}:${column}: ${message}`;
      return shown.length > 300 ? [place] : [place, `  ${shown}`, `  ${" ".repeat(column - 1)}^`];
    }),
  );
  return new Failure("The source has type errors.", {
    code: "type_errors",
    details: details.flat(),
    hint: "Fix them, or deploy anyway with --no-check.",
  });
}
