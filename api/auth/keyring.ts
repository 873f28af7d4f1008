/** Whose key it is, remembered for a moment; of the setting's keys for as long as the API runs. Or whose token. */
import type { Clock } from "../../core/clock.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { type BriefMemory, createBriefMemory } from "../../core/store/brief-memory.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { type FoundKey, findKey, type KeyOwner, recordKeyUse } from "../../core/store/keys.ts";
import type { Listener } from "../../core/store/listen.ts";
import { findNamespace, type Namespace } from "../../core/store/namespaces.ts";
import type { KeyWatch } from "./key-watch.ts";
import { watchNamespace } from "./namespace-watch.ts";
import { nothingGranted, type TokenCallers } from "./oidc/token-callers.ts";

/** A key is looked up at most this often; so long may a revoked one go on where the bell of it is not heard. */
export const REMEMBER_MS = 900;
const MAX_KEY_LENGTH = 200;
const NONE: ReadonlyMap<string, KeyOwner> = new Map();

export interface Keyring {
  /**
   * Undefined where the key is unknown, expired or revoked. Of a token throws what is wrong with it: 401, 403 where it opens
   * nothing, 503 where the OpenID provider is away.
   */
  findOwner(key: string): Promise<KeyOwner | undefined>;
  /** Undefined where there is none of that name. */
  findNamespace(name: string): Promise<Namespace | undefined>;
  /**
   * Calls `onInvalid` once the key is not valid any more, or the namespace in which its owner acts is gone; what it answers is
   * called by who does not care any longer.
   */
  watch(key: string, owner: KeyOwner, onInvalid: () => void): () => void;
  /** Whether it is a token that says of itself that it is for this API: then it is for nobody else to see. */
  isOwnToken(text: string): boolean;
}

export interface KeyringParts {
  store: QueryScope;
  listener: Pick<Listener, "on">;
  clock: Pick<Clock, "after">;
  /** The keys of BELLHOP_API_KEY, and whose they are. */
  settingKeys?: ReadonlyMap<string, KeyOwner>;
  /** Undefined where tokens are not taken. */
  tokens?: TokenCallers | undefined;
  nowMs?(): number;
  watch: KeyWatch;
  onError(error: unknown): void;
}

interface RememberedKey extends FoundKey {
  untilMs: number;
}

/** Also where there is none: tokens go on naming one that is not there yet, or any more. */
interface RememberedName {
  namespace: Namespace | undefined;
}

export function createKeyring(parts: KeyringParts): Keyring {
  const { store, listener, clock, watch, settingKeys = NONE, tokens, onError } = parts;
  const { nowMs = () => performance.now() } = parts;
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
  const namespaces = createBriefMemory<RememberedName>({
    ...shared,
    load: async (name) => ({ namespace: await findNamespace(store, name) }),
    idOf: ({ namespace }) => namespace?.id,
  });
  const recallNamespace = async (name: string) => (await namespaces.find(name))?.namespace;

  async function findTokenOwner(callers: TokenCallers, token: string): Promise<KeyOwner> {
    const { id, issuer, subject, grants, expiresAt } = await callers.find(token);
    for (const { namespace: name, scopes } of grants) {
      const found = await recallNamespace(name);
      if (!found || found.closedAt) continue;
      const where = { namespaceId: found.id, namespace: found.name, limits: found.limits };
      const what = { scopes: [...scopes], functions: null, expiresAt };
      return { keyId: id, keyName: subject, ...where, ...what, token: { issuer, grants } };
    }
    throw nothingGranted();
  }

  return {
    async findOwner(key) {
      if (tokens?.isToken(key)) return await findTokenOwner(tokens, key);
      if (key.length > MAX_KEY_LENGTH) return undefined;
      const operator = settingKeys.get(key);
      if (operator) return operator;
      const found = await keys.find(key);
      return found && found.untilMs > nowMs() ? found.owner : undefined;
    },
    // Whoever has just made one finds it.
    findNamespace: async (name) => (await recallNamespace(name)) ?? (await findNamespace(store, name)),
    watch(key, owner, onInvalid) {
      const isToken = tokens?.isToken(key) === true;
      const stops: (() => void)[] = [];
      if (!settingKeys.has(key)) stops.push((isToken ? tokens! : watch).watch(key, onInvalid));
      // Other keys go with their namespace.
      if (isToken || isOperator(owner.scopes))
        stops.push(watchNamespace({ clock, find: recallNamespace }, owner, onInvalid));
      return () => {
        for (const stop of stops) stop();
      };
    },
    isOwnToken: (text) => tokens?.isOwn(text) === true,
  };
}
