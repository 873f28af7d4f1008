/** What `docker build .` sends of this folder: every file that .dockerignore lets through. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import dockerignore from "@balena/dockerignore";

/** Paths from `root`, sorted. */
export function listBuildContext(root: string): string[] {
  const rules = readFileSync(join(root, ".dockerignore"), "utf8");
  const filter = dockerignore.default({ ignorecase: false }).add(rules);
  // Nothing is looked at below a folder that cannot hold what is let through: node_modules is large.
  const wanted = rules
    .split("\n")
    .flatMap((line) => (line.startsWith("!") ? [line.slice(1).split("/")[0]!] : []));
  const files: string[] = [];
  for (const top of readdirSync(root, { withFileTypes: true })) {
    if (!wanted.includes(top.name)) continue;
    if (!top.isDirectory()) files.push(top.name);
    else
      for (const entry of readdirSync(join(root, top.name), { recursive: true, withFileTypes: true }))
        if (!entry.isDirectory()) files.push(join(entry.parentPath, entry.name).slice(root.length + 1));
  }
  return filter.filter(files).sort();
}
