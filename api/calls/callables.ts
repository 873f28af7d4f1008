/** Functions as calls need them, kept for a moment. */
import { type BriefMemory, createBriefMemory } from "../../core/store/brief-memory.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Listener } from "../../core/store/listen.ts";

export interface Callables {
  /** Undefined where there is none. */
  find(namespace: string, name: string): Promise<CallableFunction | undefined>;
  /**
   * The same for one without a key: undefined where there is none, or none that is public, after one look in either
   * case. Time tells nothing of which.
   */
  findPublic(namespace: string, name: string): Promise<CallableFunction | undefined>;
  /** One that is known to be public right now. */
  recallPublic(namespace: string, name: string): CallableFunction | undefined;
  /** After a change that this API has made itself. */
  forget(functionId?: string): void;
}

export interface LoadCallables {
  one(namespace: string, name: string, isStranger: boolean): Promise<CallableFunction | undefined>;
  /** Without those that are not there. */
  several(
    asked: { namespace: string; name: string }[],
    isStranger: boolean,
  ): Promise<{ namespace: string; found: CallableFunction }[]>;
}

const toKey = (namespace: string, name: string) => `${namespace}/${name}`;

function parseKey(key: string): { namespace: string; name: string } {
  const [namespace, name] = key.split("/");
  return { namespace: namespace!, name: name! };
}

export function createCallables(load: LoadCallables, listener: Pick<Listener, "on">): Callables {
  const [ofOwners, ofStrangers] = [false, true].map((isStranger) =>
    createBriefMemory<CallableFunction>({
      load(key) {
        const { namespace, name } = parseKey(key);
        return load.one(namespace, name, isStranger);
      },
      async loadMany(keys) {
        const all = await load.several(keys.map(parseKey), isStranger);
        return new Map(all.map(({ namespace, found }) => [toKey(namespace, found.name), found]));
      },
      idOf: ({ id }) => id,
      listener,
      channel: "bellhop_functions",
    }),
  ) as [BriefMemory<CallableFunction>, BriefMemory<CallableFunction>];
  return {
    find: (namespace, name) => ofOwners.find(toKey(namespace, name)),
    findPublic: (namespace, name) => ofStrangers.find(toKey(namespace, name)),
    recallPublic: (namespace, name) => ofStrangers.recall(toKey(namespace, name)),
    forget(functionId) {
      ofOwners.forget(functionId);
      ofStrangers.forget(functionId);
    },
  };
}
