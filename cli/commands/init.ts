/** `init`: a project to begin with. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { AUTHOR_TYPES } from "../author-types.ts";
import { addExamples, withOutput } from "../command.ts";
import { usageFailure } from "../failure.ts";
import type { Cli } from "../session.ts";
import { projectFiles } from "../templates.ts";
import type { Output } from "../terminal/output.ts";

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

export function addInit(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("init [folder]")
      .description("start a project: a function with types, a test, and a schedule in bellhop.yaml")
      .option("--name <function>", "the function's name; default: that of the folder")
      .action(
        withOutput<{ name?: string }>(cli, (out, [folder], { name }) => init(cli, out, folder ?? ".", name)),
      ),
    "init hello",
    "init . --name hello",
  );
}

async function init(cli: Cli, out: Output, folder: string, given: string | undefined): Promise<void> {
  const root = resolve(cli.cwd, folder);
  const name = given ?? basename(root);
  if (!NAME.test(name))
    throw usageFailure(
      `${JSON.stringify(name)} is no name for a function.`,
      "Lower-case letters, digits and dashes, a letter first: --name hello",
    );
  const files = projectFiles(name, AUTHOR_TYPES);
  for (const path of Object.keys(files))
    if (await stat(join(root, path)).catch(() => undefined))
      throw usageFailure(`${relative(cli.cwd, join(root, path))} is there already. Nothing was written.`);
  await mkdir(root, { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(root, path), text, { flag: "wx" });
  out.answer({ folder: root, name, files: Object.keys(files) }, () => {
    for (const path of Object.keys(files)) out.line(join(folder, path));
    out.note(
      out.noteStyle.dim(`Next: cd ${folder} && bellhop apply, then bellhop invoke ${name} '{"name": "Ada"}'`),
    );
  });
}
