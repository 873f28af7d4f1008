/** Functions as calls need them, kept for a moment. */
import { createBriefMemory } from "../../core/store/brief-memory.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Listener } from "../../core/store/listen.ts";

export interface Callables {
  /** Undefined where there is none. */
  find(namespace: string, name: string): Promise<CallableFunction | undefined>;
  /** After a change that this API has made itself. */
  forget(functionId?: string): void;
}

export function createCallables(
  load: (namespace: string, name: string) => Promise<CallableFunction | undefined>,
  listener: Listener,
): Callables {
  const memory = createBriefMemory<CallableFunction>({
    load(key) {
      const [namespace, name] = key.split("/");
      return load(namespace!, name!);
    },
    idOf: ({ id }) => id,
    listener,
    channel: "bellhop_functions",
  });
  return {
    find: (namespace, name) => memory.find(`${namespace}/${name}`),
    forget: (functionId) => memory.forget(functionId),
  };
}
