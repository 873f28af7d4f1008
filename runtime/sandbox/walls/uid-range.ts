/** User ids for executors, each its own: of one worker by turns, of two workers most likely from different blocks. */

/** As many executors as one worker may have at once. */
const BLOCK = 64;
/** Ids that no distribution gives to users, services or containers; one block for each pid that Linux can have. */
const WIDE = { first: 0x7000_0000, count: 0x1000_0000 };
/** Where a container maps 65,536 ids only: below the ids of systemd's dynamic users. */
const NARROW = { first: 32_768, count: 28_416 };

export interface IdRange {
  first: number;
  count: number;
}

/** Whether ids from `first` on exist in this user namespace; `map` is /proc/self/uid_map or gid_map. */
export function covers(map: string, { first, count }: IdRange): boolean {
  return map.split("\n").some((line) => {
    const [inside, , length] = line.trim().split(/\s+/).map(Number);
    return inside! <= first && inside! + length! >= first + count;
  });
}

/** The block of ids of the worker with this number, its pid where that is its own; undefined where the maps leave no room. */
export function idBlock(uidMap: string, gidMap: string, pid: number): IdRange | undefined {
  for (const range of [WIDE, NARROW]) {
    if (!covers(uidMap, range) || !covers(gidMap, range)) continue;
    return { first: range.first + ((pid * BLOCK) % range.count), count: BLOCK };
  }
  return undefined;
}

/** Lends the ids of a block, the one that rested longest first. Where all are lent the next is lent twice. */
export class IdLender {
  readonly #block: IdRange;
  /** How often each is lent. */
  readonly #lent = new Map<number, number>();
  #next = 0;

  constructor(block: IdRange) {
    this.#block = block;
  }

  lend(): number {
    let id = this.#turn();
    for (let tried = 1; tried < this.#block.count && this.#lent.has(id); tried++) id = this.#turn();
    this.#lent.set(id, (this.#lent.get(id) ?? 0) + 1);
    return id;
  }

  giveBack(id: number): void {
    const rest = (this.#lent.get(id) ?? 1) - 1;
    if (rest > 0) this.#lent.set(id, rest);
    else this.#lent.delete(id);
  }

  #turn(): number {
    return this.#block.first + (this.#next++ % this.#block.count);
  }
}
