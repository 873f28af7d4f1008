/**
 * Which schemas a release runs on. Releases expand first, migrate, and contract a release later; a migration that takes
 * something away says in its name which one a release must know to do without: `0014-drop-room-needs-0012`.
 */
const NEEDS = /-needs-(\d{4})$/;

export interface SchemaJudgement {
  /** Ours that are not applied yet, oldest first. */
  pending: string[];
  /** Those of later releases. */
  later: string[];
  /** Why this release must not run on the schema. */
  refusal?: string;
}

/** @param known the migrations of this release, oldest first */
export function judgeSchema(applied: readonly string[], known: readonly string[]): SchemaJudgement {
  const newest = known.at(-1)!;
  const later = applied.filter((name) => !known.includes(name)).toSorted();
  const pending = known.filter((name) => !applied.includes(name));
  const strangers = later.filter((name) => name < newest);
  const contracting = later.find((name) => neededBy(name) > newest.slice(0, 4));
  if (strangers.length > 0 || (later.length > 0 && pending.length > 0)) {
    const missing = pending.length > 0 ? `, and lacks ${pending.join(", ")}` : "";
    const refusal = `it holds migrations that are not this release's and not of a later one in its line (${later.join(", ")})${missing}. Start the release that made them`;
    return { pending, later, refusal };
  }
  if (contracting === undefined) return { pending, later };
  const refusal = `a later release took away what this one needs (${contracting}: only for releases that know migration ${neededBy(contracting)}; the newest of this one is ${newest.slice(0, 4)}). Start a later release, or have that one take its migrations back, newest first: npm run migrate -- down`;
  return { pending, later, refusal };
}

/** The number of the migration that a release must know; empty where any may run. */
function neededBy(name: string): string {
  return NEEDS.exec(name)?.[1] ?? "";
}
