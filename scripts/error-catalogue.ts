/** docs/errors.md, of the code: every error that people see, by its code. `npm run error-catalogue` writes it. */
import { writeFile } from "node:fs/promises";
import { apiFeatures } from "../api/features.ts";
import { errorsOf } from "../api/openapi/errors-of.ts";
import { CLI_CODES } from "../cli/failure-codes.ts";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import { PROBLEM_CODES } from "../core/contracts/problem.ts";
import { REMEDIES } from "../core/contracts/remedies.ts";
import { RUN_ERRORS } from "../core/domain/run-errors.ts";
import { trueTime } from "../core/schedule-time.ts";

export const CATALOGUE_FILE = new URL("../docs/errors.md", import.meta.url);

const HEAD = `# Errors

What to do about each error, by its code. This page is made of the code: \`npm run error-catalogue\` writes it.

The API answers errors as [problem documents](api.md#problems): \`code\` is below, \`detail\` says what was wrong this time, \`errors\` names fields. A run that failed has its code in \`error.code\`; which of them are tried again by themselves is in [api.md](api.md#runs). A waiting caller is told a run's code as a problem.
`;

/** Given where no route is. */
const WITHOUT_ROUTE: Readonly<Record<string, readonly number[]>> = {
  no_such_route: [404],
  method_not_allowed: [405],
};

export function describeErrors(): string {
  const statuses = findStatuses();
  const codes = [...new Set([...Object.keys(PROBLEM_CODES), ...Object.keys(RUN_ERRORS)])].sort();
  const entries = codes.map((code) => describeError(code as keyof typeof REMEDIES, statuses.get(code) ?? []));
  const own = Object.entries(CLI_CODES).map(
    ([code, [meaning, remedy]]) => `### ${code}\n\n${meaning}\n\n**Do:** ${remedy}\n`,
  );
  return [
    HEAD,
    "## Of the API and of runs\n",
    ...entries,
    "## Of the command line\n",
    "What `bellhop --json` tells besides the API's own codes.\n",
    ...own,
  ].join("\n");
}

function describeError(code: keyof typeof REMEDIES, statuses: readonly number[]): string {
  const ofApi = (PROBLEM_CODES as Record<string, string>)[code];
  const ofRuns = (RUN_ERRORS as Record<string, string>)[code];
  const where = [
    ...(statuses.length > 0 ? [`status ${statuses.join(", ")}`] : []),
    ...(ofRuns === undefined ? [] : ["error of a run"]),
  ];
  const meanings = [...new Set([ofApi, ofRuns].filter((each) => each !== undefined))];
  return `### ${code}\n\n*${where.join("; ")}.* ${meanings.join(" Of a run: ")}\n\n**Do:** ${REMEDIES[code]}\n`;
}

/** Code → the statuses it comes with. */
function findStatuses(): Map<string, number[]> {
  const functionCaps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {}));
  const features = apiFeatures({ clock: systemClock, time: trueTime(systemClock), functionCaps });
  const found = new Map<string, Set<number>>();
  const add = (code: string, status: number) => found.set(code, (found.get(code) ?? new Set()).add(status));
  for (const route of features.flatMap(({ routes }) => routes))
    for (const [status, codes] of Object.entries(errorsOf(route)))
      for (const code of codes) if (code !== "*") add(code, Number(status));
  for (const [code, statuses] of Object.entries(WITHOUT_ROUTE))
    for (const status of statuses) add(code, status);
  return new Map([...found].map(([code, statuses]) => [code, [...statuses].sort((a, b) => a - b)]));
}

if (import.meta.main) await writeFile(CATALOGUE_FILE, describeErrors());
