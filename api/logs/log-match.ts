/** Whether a line is wanted: the same as the conditions in `core/store/logs.ts`, without the database. */
import { LOG_LEVELS } from "../../core/domain/log-level.ts";
import type { FollowedLine, LogFilter } from "../../core/store/logs.ts";

export type TestedLine = Pick<FollowedLine, "level" | "at" | "revisionId" | "runId" | "searched">;

/** @param searchText the filter's text in small letters, as the database makes them */
export function createLineTest(
  { level, since, until, revisionId, runId }: LogFilter,
  searchText: string | undefined,
): ((line: TestedLine) => boolean) | undefined {
  const tests: ((line: TestedLine) => boolean)[] = [];
  if (level !== undefined) {
    const levels = new Set<string>(LOG_LEVELS.slice(LOG_LEVELS.indexOf(level)));
    tests.push((line) => levels.has(line.level));
  }
  if (since !== undefined) tests.push(({ at }) => at >= since);
  if (until !== undefined) tests.push(({ at }) => at < until);
  if (revisionId !== undefined) tests.push((line) => line.revisionId === revisionId);
  if (runId !== undefined) tests.push((line) => line.runId === runId);
  if (searchText !== undefined) tests.push(({ searched }) => searched?.includes(searchText) ?? false);
  return tests.length === 0 ? undefined : (line) => tests.every((isWanted) => isWanted(line));
}
