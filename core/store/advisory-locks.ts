/**
 * Every advisory lock of the database, by what its holder does. A number stays with its lock for ever: roles of two
 * releases hold the same ones.
 */
export const ADVISORY_LOCKS = {
  migrate: 3_853_314_791_062_309_107n,
  makePartitions: 7_236_001,
  dropPartitions: 7_236_002,
  startWorkers: 7_236_003,
  driveBulkActions: 7_236_005,
  buildIndexes: 7_236_006,
  installSqlFunctions: 7_236_007,
  /** With the hash of a place as its second half (joins/joinable-runs.ts). */
  joinRuns: 7_236_008,
  /** With the hash of what is changed as its second half (audit-log.ts). */
  changeResource: 7_236_009,
} as const;
