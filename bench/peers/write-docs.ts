/** Puts the tables of a run where docs/performance.md has the ones before. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Report, toMarkdown } from "./report.ts";

const PAGE = join(import.meta.dirname, "../../docs/performance.md");
const [BEGIN, END] = ["<!-- bench:peers, written by --write-docs -->", "<!-- /bench:peers -->"];

export async function writeDocs(report: Report): Promise<void> {
  const page = await readFile(PAGE, "utf8");
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`docs/performance.md has no place "${BEGIN}".`);
  await writeFile(
    PAGE,
    `${page.slice(0, before + BEGIN.length)}\n\n${toMarkdown(report)}\n\n${page.slice(after)}`,
  );
}
