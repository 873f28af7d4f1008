/** How many may follow something at once: each holds a connection and some memory for as long as it likes. */
import { BellhopError } from "../../core/errors.ts";

/** Ten screens with ten logs each. */
export const MAX_FOLLOWERS_OF_KEY = 100;
/** What ten keys may have. */
export const MAX_FOLLOWERS = 1_000;

export interface FollowerPlaces {
  /** Takes a place; what it answers gives it back, once. Throws a 429 where there is none. */
  take(keyId: string): () => void;
  readonly taken: number;
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
        throw tooMany(`This key follows ${ofKey} ${what} here, which is all that a key may.`);
      if (taken >= inAll) throw tooMany(`${inAll} ${what} are followed here, which is all that is possible.`);
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

function tooMany(message: string): BellhopError {
  return new BellhopError("too_many_followers", 429, `${message} Leave one, or try again later.`);
}
