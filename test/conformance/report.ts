/** What people read of a conformance run. */
import { addFigures, applicablePercent, type Figures, type FileReport } from "./results.ts";

export interface FolderReport {
  folder: string;
  reports: FileReport[];
  figures: Figures;
}

const HEAD = [
  "folder",
  "files",
  "sandbox",
  "node",
  "expected failures",
  "unexpected",
  "applies outside a browser",
];
const MAX_NAMES = 20;
const MAX_NAME_CHARS = 160;

export function table(folders: readonly FolderReport[]): string {
  const rows = folders.map(({ folder, figures }) => rowOf(folder, figures));
  const total = rowOf("all", addFigures(folders.map(({ figures }) => figures)));
  return [HEAD, HEAD.map(() => "---"), ...rows, total].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function rowOf(name: string, figures: Figures): string[] {
  const percent = applicablePercent(figures);
  return [
    name,
    figures.skipped > 0 ? `${figures.files} (${figures.skipped} skipped)` : `${figures.files}`,
    share(figures.sandbox),
    share(figures.node),
    `${figures.expected}`,
    figures.stale > 0 ? `${figures.unexpected} + ${figures.stale} passes` : `${figures.unexpected}`,
    percent === undefined ? "–" : `${percent.toFixed(2)} %`,
  ];
}

function share(sum: Figures["sandbox"]): string {
  return sum ? `${sum.passes}/${sum.total}` : "–";
}

/** The failures nobody expected and the expectations nothing failed under, by file; empty where all is as expected. */
export function surprises(folders: readonly FolderReport[]): string {
  const lines: string[] = [];
  for (const { path, sandbox, judged } of folders.flatMap(({ reports }) => reports)) {
    if (!judged || !sandbox) continue;
    const { unexpected, stale } = judged;
    if (unexpected.length + stale.length + sandbox.unnamed === 0) continue;
    lines.push(path);
    for (const name of unexpected.slice(0, MAX_NAMES)) {
      const failure = sandbox.failures.find((candidate) => candidate.name === name);
      lines.push(`  failed: ${clip(name)}`, `          ${clip(failure?.message ?? "")}`);
    }
    const more = Math.max(0, unexpected.length - MAX_NAMES) + sandbox.unnamed;
    if (more > 0) lines.push(`  … and ${more} more`);
    for (const name of stale.slice(0, MAX_NAMES)) lines.push(`  passes or is gone: ${clip(name)}`);
    if (stale.length > MAX_NAMES) lines.push(`  … and ${stale.length - MAX_NAMES} more`);
  }
  return lines.join("\n");
}

function clip(text: string): string {
  const line = text.replaceAll("\n", " ");
  return line.length > MAX_NAME_CHARS ? `${line.slice(0, MAX_NAME_CHARS)}…` : line;
}
