/**
 * What many ask at the same moment is one statement, and shares its commit (group commit). Who comes while as many
 * statements are under way as may be is asked for with the next one: the busier it is, the more share one, and who comes
 * alone waits for nobody.
 *
 * States of an ask: gathered → asked, alone or with others → answered or refused.
 */
import type { QueryScope } from "./database.ts";
import type { WatchedPool } from "./fitted-pool.ts";
import { isRefusal } from "./refusal.ts";
import type { Waits } from "./waits.ts";

export interface Gathering<Ask, Answer, Scope extends QueryScope = QueryScope> {
  /** Statements under way at once. */
  atOnce: number;
  /** The most that are asked together. */
  most: number;
  /** How much an ask weighs, of `mostWeight` for all that are asked together; one that weighs more is asked alone. */
  weigh(ask: Ask): number;
  mostWeight: number;
  /** What it may have to wait for: it goes together with those alone that wait for the same. Left out: all go together. */
  laneOf?(ask: Ask): string;
  /**
   * Where who waits to be asked for is counted. Left out: with those who wait for a connection of the pool, or nowhere where
   * there are lanes.
   */
  waits?: Waits;
  /** In their order; all or none. What it is asked is not empty. */
  askAll(scope: Scope, asks: readonly Ask[]): Promise<Answer[]>;
}

interface Gathered<Ask, Answer> {
  ask: Ask;
  /** Until then it waited, like those who wait for a connection; undefined: it waits for a row that somebody holds, which says nothing of the database. */
  endWait?: (() => void) | undefined;
  answer(answer: Answer): void;
  refuse(error: unknown): void;
}

/** Each is answered, or refused, as if it had been asked alone. What is asked of one pool, or in one transaction, is gathered. */
export function createGatherer<Ask, Answer, Scope extends QueryScope = QueryScope>(
  gathering: Gathering<Ask, Answer, Scope>,
): (scope: Scope, ask: Ask) => Promise<Answer> {
  const byPool = new WeakMap<QueryScope["pool"], Map<string, (ask: Ask) => Promise<Answer>>>();
  return (scope, ask) => {
    const lanes = byPool.get(scope.pool) ?? new Map<string, (ask: Ask) => Promise<Answer>>();
    byPool.set(scope.pool, lanes);
    const lane = gathering.laneOf?.(ask) ?? "";
    const gather = lanes.get(lane) ?? gatherOf(gathering, scope, () => lanes.delete(lane));
    lanes.set(lane, gather);
    return gather(ask);
  };
}

/** @param onIdle called once nobody is gathered or asked for any more */
function gatherOf<Ask, Answer, Scope extends QueryScope>(
  gathering: Gathering<Ask, Answer, Scope>,
  scope: Scope,
  onIdle: () => void,
): (ask: Ask) => Promise<Answer> {
  const gathered: Gathered<Ask, Answer>[] = [];
  let underWay = 0;
  let isDue = false;

  /** What comes in by the same turn of the event loop goes together. */
  function schedule(): void {
    if (isDue || underWay === gathering.atOnce || gathered.length === 0) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      void askNext();
      schedule();
    });
  }

  async function askNext(): Promise<void> {
    underWay += 1;
    await answerAll(scope, gathering, takeNext(gathered, gathering));
    underWay -= 1;
    if (underWay === 0 && gathered.length === 0) onIdle();
    schedule();
  }

  function beginWait(): (() => void) | undefined {
    if (gathering.waits) return gathering.waits.begin();
    return gathering.laneOf ? undefined : (scope.pool as Partial<WatchedPool>).beginWait?.();
  }

  return (ask) =>
    new Promise((answer, refuse) => {
      gathered.push({ ask, endWait: beginWait(), answer, refuse });
      schedule();
    });
}

function takeNext<Ask, Answer, Scope extends QueryScope>(
  gathered: Gathered<Ask, Answer>[],
  { most, mostWeight, weigh }: Gathering<Ask, Answer, Scope>,
): Gathered<Ask, Answer>[] {
  let weight = 0;
  let count = 0;
  while (count < Math.min(most, gathered.length)) {
    weight += weigh(gathered[count]!.ask);
    if (count > 0 && weight > mostWeight) break;
    count += 1;
  }
  return gathered.splice(0, count);
}

async function answerAll<Ask, Answer, Scope extends QueryScope>(
  scope: Scope,
  gathering: Gathering<Ask, Answer, Scope>,
  together: readonly Gathered<Ask, Answer>[],
): Promise<void> {
  for (const { endWait } of together) endWait?.();
  try {
    const asks = together.map(({ ask }) => ask);
    const answers = await gathering.askAll(scope, asks);
    for (const [index, { answer }] of together.entries()) answer(answers[index]!);
  } catch (error) {
    const isOnesFault = together.length > 1 && isRefusal(error);
    if (isOnesFault) for (const half of halve(together)) await answerAll(scope, gathering, half);
    else for (const { refuse } of together) refuse(error);
  }
}

/** Whose fault it is, is found among a hundred in some ten statements, among five hundred in some twenty. */
function halve<Item>(items: readonly Item[]): [Item[], Item[]] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}
