/** How two revisions of a function differ. */
import type { FunctionLimits } from "./function-limits.ts";

export interface FileFacts {
  /** Hex. */
  sha256: string;
  bytes: number;
}

interface FileDifference {
  path: string;
  change: "added" | "removed" | "changed";
  /** Null where the file is not there. */
  from: FileFacts | null;
  to: FileFacts | null;
}

/** The files that are not the same in both, by path. */
export function diffFiles(
  from: Readonly<Record<string, FileFacts>>,
  to: Readonly<Record<string, FileFacts>>,
): FileDifference[] {
  const paths = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  return paths.flatMap((path): FileDifference[] => {
    const [before, after] = [factsOf(from, path), factsOf(to, path)];
    if (before?.sha256 === after?.sha256) return [];
    const change = before ? (after ? "changed" : "removed") : "added";
    return [{ path, change, from: before, to: after }];
  });
}

/** A file may be called what an object has by itself. */
function factsOf(files: Readonly<Record<string, FileFacts>>, path: string): FileFacts | null {
  return Object.hasOwn(files, path) ? files[path]! : null;
}

type LimitDifferences = {
  [Name in keyof FunctionLimits]?: { from: number | null; to: number | null };
};

/** The limits that are not the same in both. */
export function diffLimits(from: FunctionLimits, to: FunctionLimits): LimitDifferences {
  const names = Object.keys(to) as (keyof FunctionLimits)[];
  const different = names.filter((name) => from[name] !== to[name]);
  return Object.fromEntries(different.map((name) => [name, { from: from[name], to: to[name] }]));
}

type EnvDifferences = Record<string, { from: string | null; to: string | null }>;

/** The settings that are not the same in both, by name; null where there is none of that name. */
export function diffEnv(
  from: Readonly<Record<string, string>>,
  to: Readonly<Record<string, string>>,
): EnvDifferences {
  const [before, after] = [new Map(Object.entries(from)), new Map(Object.entries(to))];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const different = names.filter((name) => before.get(name) !== after.get(name));
  return Object.fromEntries(
    different.map((name) => [name, { from: before.get(name) ?? null, to: after.get(name) ?? null }]),
  );
}
