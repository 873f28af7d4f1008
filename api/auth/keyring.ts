/** Whose key it is, remembered for a moment; of the setting's keys for as long as the API runs. */
import { type BriefMemory, createBriefMemory } from "../../core/store/brief-memory.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { type FoundKey, findKey, type KeyOwner, recordKeyUse } from "../../core/store/keys.ts";
import type { Listener } from "../../core/store/listen.ts";
import { findNamespace, type Namespace } from "../../core/store/namespaces.ts";
import type { KeyWatch } from "./key-watch.ts";

/** A key is looked up at most this often; so long may a revoked one go on where the bell of it is not heard. */
export const REMEMBER_MS = 900;
const MAX_KEY_LENGTH = 200;
const NONE: ReadonlyMap<string, KeyOwner> = new Map();

export interface Keyring {
  /** Undefined where the key is unknown, expired or revoked. */
  findOwner(key: string): Promise<KeyOwner | undefined>;
  /** Undefined where there is none of that name. */
  findNamespace(name: string): Promise<Namespace | undefined>;
  /** Calls `onInvalid` once the key is not valid any more; what it answers is called by who does not care any longer. */
  watch: KeyWatch["watch"];
}

export interface KeyringParts {
  store: QueryScope;
  listener: Pick<Listener, "on">;
  /** The keys of BELLHOP_API_KEY, and whose they are. */
  settingKeys?: ReadonlyMap<string, KeyOwner>;
  nowMs?(): number;
  watch: KeyWatch;
  onError(error: unknown): void;
}

interface RememberedKey extends FoundKey {
  untilMs: number;
}

export function createKeyring(parts: KeyringParts): Keyring {
  const { store, listener, watch, settingKeys = NONE, nowMs = () => performance.now(), onError } = parts;
  const shared = { listener, channel: "bellhop_keys", keptMs: REMEMBER_MS, nowMs } as const;
  const keys: BriefMemory<RememberedKey> = createBriefMemory({
    ...shared,
    async load(key) {
      const found = await findKey(store, key);
      if (!found) return undefined;
      if (found.isUseDue) recordKeyUse(store, found.owner.keyId).catch(onError);
      return { ...found, untilMs: nowMs() + (found.validForMs ?? Number.POSITIVE_INFINITY) };
    },
    idOf: ({ owner }) => owner.keyId,
  });
  const namespaces = createBriefMemory<Namespace>({
    ...shared,
    load: (name) => findNamespace(store, name),
    idOf: ({ id }) => id,
  });
  return {
    async findOwner(key) {
      if (key.length > MAX_KEY_LENGTH) return undefined;
      const operator = settingKeys.get(key);
      if (operator) return operator;
      const found = await keys.find(key);
      return found && found.untilMs > nowMs() ? found.owner : undefined;
    },
    findNamespace: (name) => namespaces.find(name),
    watch: (key, onInvalid) => (settingKeys.has(key) ? () => {} : watch.watch(key, onInvalid)),
  };
}
