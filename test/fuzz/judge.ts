/** What a run of the fuzzer comes to. */

/** What schemathesis reports, as far as it is judged. */
export interface Report {
  seed: number;
  running_time: number;
  stop_reason: string;
  operations: { selected: number; tested: number; skip_reasons: Record<string, unknown> } | null;
  test_cases: { generated: number; errored: number };
  failures: { title: string; count: number; operations: string[] }[];
  errors: { title: string; count: number }[];
  /** Operation → phase → what valid requests were answered. */
  valid_rates: Record<string, Record<string, { accepted: number }>>;
}

export interface Verdict {
  /** The last one counts. */
  lines: string[];
  failed: boolean;
}

/** @param logs of all roles: none may tell of an error, whatever its caller was answered */
export function judge(report: Report, logs: Record<string, unknown>[]): Verdict {
  const { operations, test_cases: cases } = report;
  const faults = [
    ...report.failures.map(
      ({ title, count, operations: where }) => `${title} (${count} times): ${where.join(", ")}`,
    ),
    ...report.errors.map(({ title, count }) => `the fuzzer itself failed: ${title} (${count} times)`),
    ...logs.filter(({ level }) => level === "error" || level === "fatal").map(toLogFault),
  ];
  const { selected = 0, tested = 0 } = operations ?? {};
  const unreached =
    tested === 0 || tested < selected
      ? [`${selected - tested} of ${selected} operations were not reached`]
      : [];
  // On a slow machine the time may be up before: no fault of the product's.
  const isCutShort = report.stop_reason === "max_time" && tested > 0;
  if (!isCutShort) faults.push(...unreached);
  return {
    lines: [
      ...(isCutShort ? unreached : []),
      ...tellUnmet(report.valid_rates),
      ...faults.map((fault) => `FAIL ${fault}`),
      `${tested} operations, ${cases.generated} requests in ${Math.round(report.running_time)} s with seed ${report.seed}: ${faults.length} faults`,
    ],
    failed: faults.length > 0,
  };
}

const MAX_LOG_CHARS = 500;

const toLogFault = (line: Record<string, unknown>) =>
  `a role logged an error: ${JSON.stringify(line).slice(0, MAX_LOG_CHARS)}`;

/** No fault: what is made up is seldom all that a revision's diff needs. But where many are told, fewer things are met. */
function tellUnmet(rates: Report["valid_rates"]): string[] {
  const unmet = Object.entries(rates)
    .filter(([, phases]) => Object.values(phases).every(({ accepted }) => accepted === 0))
    .map(([operation]) => operation);
  return unmet.length === 0 ? [] : [`never answered 2xx: ${unmet.join(", ")}`];
}
