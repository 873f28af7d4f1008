import type { Clock } from "../../core/clock.ts";
import type { Db } from "../../core/store/database.ts";
import { findKeyOwner, type KeyOwner } from "../../core/store/keys.ts";

/** A key is looked up at most this often; so long may a revoked one go on. */
export const REMEMBER_MS = 2_000;
const REMEMBERED_KEYS = 1_000;
const MAX_KEY_LENGTH = 200;

/** Whose key it is, remembered for a moment. */
export interface Keyring {
  /** Undefined where the key is unknown, expired or revoked. */
  findOwner(key: string): Promise<KeyOwner | undefined>;
}

/** @param clock one that makes no leaps */
export function createKeyring(db: Db, clock: Clock): Keyring {
  const known = new Map<string, { owner: KeyOwner; untilMs: number }>();
  return {
    async findOwner(key) {
      const nowMs = clock.now().getTime();
      const entry = known.get(key);
      if (entry && entry.untilMs >= nowMs) return entry.owner;
      known.delete(key);
      const owner = key.length <= MAX_KEY_LENGTH ? await findKeyOwner(db, key) : undefined;
      if (!owner) return undefined;
      if (known.size >= REMEMBERED_KEYS) known.delete(known.keys().next().value!);
      known.set(key, { owner, untilMs: nowMs + REMEMBER_MS });
      return owner;
    },
  };
}
