/** How many may follow something at once: each holds a connection and some memory for as long as it likes. */
import type { OpenStreams, StreamOwner } from "./open-streams.ts";
import { tooManyFollowers } from "./too-many-followers.ts";

/** Ten screens with ten logs each. */
export const MAX_FOLLOWERS_OF_KEY = 100;
/** What ten keys may have. */
export const MAX_FOLLOWERS = 1_000;

export interface FollowerPlaces {
  /** Takes a place; what it answers gives it back, once. Throws a 429 where there is none. */
  take(keyId: string): () => void;
  readonly taken: number;
}

/** A place here, and one of those of the owner's namespace; what it answers gives both back. Rejects with a 429. */
export async function takePlace(
  places: FollowerPlaces,
  streams: OpenStreams,
  owner: StreamOwner,
): Promise<() => void> {
  const leaveHere = places.take(owner.keyId);
  try {
    const leaveNamespace = await streams.open(owner);
    return () => {
      leaveHere();
      leaveNamespace();
    };
  } catch (error) {
    leaveHere();
    throw error;
  }
}

/** @param what is followed, for the refusal */
export function createFollowerPlaces(
  ofKey = MAX_FOLLOWERS_OF_KEY,
  inAll = MAX_FOLLOWERS,
  what = "logs",
): FollowerPlaces {
  const counts = new Map<string, number>();
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take(keyId) {
      const count = counts.get(keyId) ?? 0;
      if (count >= ofKey)
        throw tooMany(`This key already follows ${ofKey} ${what} here, the maximum for a key.`);
      if (taken >= inAll) throw tooMany(`Already ${inAll} ${what} are followed here, the maximum.`);
      counts.set(keyId, count + 1);
      taken += 1;
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        taken -= 1;
        const left = counts.get(keyId)! - 1;
        if (left > 0) counts.set(keyId, left);
        else counts.delete(keyId);
      };
    },
  };
}

const tooMany = (message: string) => tooManyFollowers(`${message} Close one, or try again later.`);
