/** Every error that the API gives and that runs end with, by its code: where it comes from, what it means, what to do. */
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { REMEDIES } from "../../core/contracts/remedies.ts";
import { RUN_ERRORS } from "../../core/domain/run-errors.ts";
import type { Route } from "../http/route.ts";
import { errorsOf } from "../openapi/errors-of.ts";

export interface ErrorEntry {
  code: string;
  /** The statuses that it comes with; none where runs alone have it. */
  statuses: readonly number[];
  isOfRuns: boolean;
  meaning: string;
  remedy: string;
}

/** Given where no route is. */
const WITHOUT_ROUTE = [
  [404, "no_such_route"],
  [405, "method_not_allowed"],
] as const;

export function listErrors(routes: readonly Route[]): ErrorEntry[] {
  const statuses = findStatuses(routes);
  const problems: Readonly<Record<string, string>> = PROBLEM_CODES;
  const ofRuns: Readonly<Record<string, string>> = RUN_ERRORS;
  return Object.entries(REMEDIES)
    .map(([code, remedy]) => {
      const meanings = [problems[code], ofRuns[code]].filter((each) => each !== undefined);
      return {
        code,
        statuses: [...(statuses.get(code) ?? [])].sort(),
        isOfRuns: code in ofRuns,
        meaning: [...new Set(meanings)].join(" Of a run: "),
        remedy,
      };
    })
    .sort((a, b) => (a.code < b.code ? -1 : 1));
}

function findStatuses(routes: readonly Route[]): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  const add = (status: number, code: string) => found.set(code, (found.get(code) ?? new Set()).add(status));
  for (const route of routes)
    for (const [status, codes] of Object.entries(errorsOf(route)))
      for (const code of codes) if (code !== "*") add(Number(status), code);
  for (const [status, code] of WITHOUT_ROUTE) add(status, code);
  return found;
}

/** Where it comes from, in words: `status 404, 409; error of a run`. */
export function describeOrigin({ statuses, isOfRuns }: ErrorEntry): string {
  const parts = [
    ...(statuses.length > 0 ? [`status ${statuses.join(", ")}`] : []),
    ...(isOfRuns ? ["error of a run"] : []),
  ];
  return parts.join("; ");
}
