/** Makes a mutation in a copy, and takes it back. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Edit } from "./mutation.ts";

/** Throws where the text is not there, or is there more than once: then the mutation says nothing any more. Pure. */
export function applyEdit(source: string, { file, from, to }: Edit): string {
  const parts = source.split(from);
  if (parts.length === 2) return parts.join(to);
  const found = parts.length === 1 ? "is gone from" : `is in ${parts.length - 1} places of`;
  throw new Error(`The text ${JSON.stringify(from)} ${found} ${file}; the mutation has to follow the code.`);
}

/** What each file becomes. */
export async function mutate(root: string, edits: readonly Edit[]): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for (const edit of edits) {
    const source = sources.get(edit.file) ?? (await readFile(join(root, edit.file), "utf8"));
    sources.set(edit.file, applyEdit(source, edit));
  }
  return sources;
}

/** Answers what takes it back. The copy's files are the project's own by another name: they are replaced, never written to. */
export async function applyMutation(copy: string, edits: readonly Edit[]): Promise<() => Promise<void>> {
  const mutated = await mutate(copy, edits);
  const originals = new Map<string, string>();
  for (const [file, source] of mutated) {
    originals.set(file, await readFile(join(copy, file), "utf8"));
    await replaceFile(join(copy, file), source);
  }
  return async () => {
    for (const [file, source] of originals) await replaceFile(join(copy, file), source);
  };
}

async function replaceFile(path: string, source: string): Promise<void> {
  await rm(path);
  await writeFile(path, source);
}
