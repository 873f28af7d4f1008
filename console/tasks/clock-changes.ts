/** Which of a schedule's instants come after a change of the clocks, by their offsets. Pure. */
const offsetOf = (local: string) => /([+-]\d\d:\d\d|Z)$/.exec(local)?.[1];

export const isAfterClockChange = (before: { local: string } | undefined, at: { local: string }): boolean =>
  before !== undefined && offsetOf(before.local) !== offsetOf(at.local);

export const findClockChanges = <Instant extends { local: string }>(items: readonly Instant[]): Instant[] =>
  items.filter((at, index) => isAfterClockChange(items[index - 1], at));
