/** How many of the waiting callers count as demand: for each function, at most as many as may run at once. */

export interface LineDemand {
  /** @param mostAtOnce how many calls of the function run at once; undefined: as many as come */
  add(functionId: string, mostAtOnce: number | undefined): void;
  remove(functionId: string): void;
}

/** @param onCount told after each change */
export function createLineDemand(onCount: (count: number) => void): LineDemand {
  const functions = new Map<string, { waiting: number; most: number }>();
  let total = 0;

  function change(functionId: string, by: number, given?: number): void {
    const before = functions.get(functionId) ?? { waiting: 0, most: Number.POSITIVE_INFINITY };
    const after = { waiting: before.waiting + by, most: given ?? before.most };
    if (after.waiting > 0) functions.set(functionId, after);
    else functions.delete(functionId);
    total += Math.min(after.waiting, after.most) - Math.min(before.waiting, before.most);
    onCount(total);
  }

  return {
    add: (functionId, mostAtOnce = Number.POSITIVE_INFINITY) => change(functionId, 1, mostAtOnce),
    remove: (functionId) => change(functionId, -1),
  };
}
