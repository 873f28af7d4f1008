/** What a role tells, and what docs/monitoring.md says it tells. */
export interface MetricFacts {
  name: string;
  type: string;
  /** Sorted, without those that every metric or bucket has. */
  labels: string[];
}

const EVERYWHERE = new Set(["role", "le"]);

/** Out of the text of `/metrics`. A metric without a sample has no labels. */
export function listMetrics(text: string): MetricFacts[] {
  const found: MetricFacts[] = [];
  for (const line of text.split("\n")) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name && type) found.push({ name, type, labels: [] });
    else if (line !== "" && !line.startsWith("#")) {
      const labels = [...line.matchAll(/(\w+)="/g)].map(([, label]) => label!);
      found.at(-1)!.labels = labels.filter((label) => !EVERYWHERE.has(label)).sort();
    }
  }
  return found;
}

/** The headings of its tables, by role. */
const SECTIONS: Record<string, string[]> = {
  api: ["Every role", "API, scheduler and worker", "API"],
  scheduler: ["Every role", "API, scheduler and worker", "Scheduler"],
  worker: ["Every role", "API, scheduler and worker", "Worker"],
  autoscaler: ["Every role", "Autoscaler"],
};

export function readDocumented(docs: string, role: string): MetricFacts[] {
  return SECTIONS[role]!.flatMap((heading) => {
    const section = docs.split(`\n### ${heading}\n`)[1]?.split(/\n##/)[0];
    if (section === undefined) throw new Error(`docs/monitoring.md has no heading "${heading}".`);
    return [...section.matchAll(/^\| `(\w+)` \| (\w+)(?:; ([^|]+))? \|/gm)].map(([, name, type, labels]) => ({
      name: name!,
      type: type!,
      labels: [...(labels ?? "").matchAll(/`(\w+)`/g)].map(([, label]) => label!).sort(),
    }));
  });
}
