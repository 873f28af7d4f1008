/**
 * Mistakes that the model can be told to make, each one that a change of Bellhop might bring. `planted-bugs.test.ts` says
 * within how many interleavings each is caught; one that is missed is a hole in the model.
 */
export const PLANTED_BUGS = {
  "cursor-outside-its-transaction":
    "a task's cursor moves in a transaction before the one that inserts its runs",
  "staging-without-locks": "schedulers read due tasks without locking them",
  "finish-without-claim-number": "what a worker records is fenced by the worker alone",
  "finish-without-fence": "whoever has a result for a run that is running records it",
  "rescue-without-gap-guard": "leases are judged at once after the database was away",
  "rescue-without-state-check": "a rescue writes what it has read before, without a lock",
  "lease-counted-from-confirmation": "a worker counts its lease from the answer, not from the question",
  "begins-after-lapse": "a worker begins what it was given although its lease ran out meanwhile",
  "lost-runs-go-on": "a worker does not look whether its runs are still its own",
  "offset-committed-early": "a bell is committed when it is heard, not when it was dealt with",
  "no-sweep": "nobody looks for runs whose bell was lost",
  "draining-commits-its-bells": "a worker that drains commits the bells that it has not dealt with",
  "given-back-and-not-stopped": "a worker that drains gives back runs that it does not stop",
  "claims-forgotten": "a run whose worker could not hear the answer to its claim is never given back",
  "permits-returned-twice":
    "permits come back with every result, also of a run that was taken from its worker",
  "permits-never-returned": "the end of a run that was granted its permits and has not started keeps them",
  "admission-without-lock": "permits are counted without the lock of their limit",
  "overlap-decided-when-staged":
    "whether a run overlaps another is decided when it is staged, not when it fires",
  "overlap-without-task-lock": "held runs are let go without the lock of their task",
  "change-renews-in-place": "a task that is changed leaves its waiting runs in their rows",
  "cancel-reads-before-lock": "a cancel looks at the states of runs before it locks them",
  "catch-up-forgets-passed": "instants that are passed over leave no record",
} as const;

export type PlantedBug = keyof typeof PLANTED_BUGS;

export const isPlantedBug = (name: string): name is PlantedBug => name in PLANTED_BUGS;

/** Whether the model makes this mistake. */
export type HasBug = (bug: PlantedBug) => boolean;

export const NO_BUGS: HasBug = () => false;
