/**
 * Chooses the worker for a call: the one that has the function's isolates warm. Every API picks the same one without
 * asking, by rendezvous hashing: each worker has a score for each revision, and the highest wins. A new worker
 * therefore takes over only its share of the revisions, and one that leaves changes nothing for the others.
 */

export interface Candidate {
  /** `hashId` of its id. */
  hash: number;
  slots: number;
  /** Calls that this API has there. */
  inFlight: number;
  /** Of those, calls of the revision. */
  ofRevision: number;
}

/** A worker whose slots are taken to this share is passed over while others have room, as if it were full. */
const FILLED_SHARE = 1 / 4;
/** Or taken by so much more than the average. */
const ABOVE_AVERAGE = 1.25;
/** More calls of one revision at once need other isolates anyway, which may as well stand on another worker. */
const MOST_OF_REVISION = 8;

/** The next in the order of the revision's scores that has not filled; where all have, the one with most room. */
export function chooseWorker<W extends Candidate>(
  revisionHash: number,
  workers: readonly W[],
): W | undefined {
  const average = averageUse(workers);
  let [leader, highest] = [undefined as W | undefined, Number.NEGATIVE_INFINITY];
  for (const worker of workers) {
    if (worker.inFlight >= worker.slots || isFilled(worker, average)) continue;
    const score = scoreOf(worker, revisionHash);
    if (score > highest) [leader, highest] = [worker, score];
  }
  return leader ?? chooseEmptiest(revisionHash, workers);
}

/**
 * The one with most room, of equals by their scores for the hash: with a call's own, calls spread over those where an
 * API has none, whatever others have there.
 */
export function chooseEmptiest<W extends Candidate>(hash: number, workers: readonly W[]): W | undefined {
  let emptiest: W | undefined;
  for (const worker of workers) {
    if (worker.inFlight >= worker.slots) continue;
    if (!emptiest || isEmptier(worker, emptiest, hash)) emptiest = worker;
  }
  return emptiest;
}

function isEmptier(one: Candidate, other: Candidate, hash: number): boolean {
  const more = useOf(other) - useOf(one);
  return more > 0 || (more === 0 && scoreOf(one, hash) > scoreOf(other, hash));
}

function useOf({ inFlight, slots }: Candidate): number {
  return inFlight / slots;
}

function averageUse(workers: readonly Candidate[]): number {
  let [inFlight, slots] = [0, 0];
  for (const worker of workers) {
    inFlight += worker.inFlight;
    slots += worker.slots;
  }
  return slots === 0 ? 0 : inFlight / slots;
}

function isFilled(worker: Candidate, average: number): boolean {
  if (worker.ofRevision >= MOST_OF_REVISION) return true;
  return useOf(worker) >= Math.max(FILLED_SHARE, average * ABOVE_AVERAGE);
}

/** A worker of twice the slots leads for twice as many revisions. */
function scoreOf({ hash, slots }: Candidate, revisionHash: number): number {
  const share = (mix(hash ^ revisionHash) + 0.5) / 2 ** 32;
  return -slots / Math.log(share);
}

/** 32 bits of an id (FNV-1a, mixed). */
export function hashId(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** Spreads what differs in few bits over all 32 (the finalizer of MurmurHash3). */
function mix(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
