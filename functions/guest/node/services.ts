/** What node: modules get of the guest, beside the global object: nothing of the host. */
import type { LogLevel } from "../../../core/domain/log-level.ts";
import { beforeRunEnd, currentRun } from "../run/current-run.ts";
import { log } from "../run/log.ts";
import {
  assign,
  create,
  deleteProperty,
  hasOwn,
  keys,
  NativeProxy,
  tryDefineProperty,
} from "../run/primordials.ts";
import { type Binder, setBinder } from "./context.ts";

export interface NodeServices {
  /** One object for the isolate's life, which begins each run as the revision's settings and secrets. */
  env(): Record<string, string>;
  /** A line of the log of the run under way. */
  log(level: LogLevel, message: string): void;
  setBinder(binder: Binder): void;
  /** Called before the run ends, with nothing between that is the author's. */
  beforeRunEnd(hook: () => void): void;
  /** Called at the beginning of each run. */
  onRun(hook: () => void): void;
  /** What the author's code has as `require`. */
  requireByName(name: unknown): unknown;
}

let given: Readonly<Record<string, string>> = create(null);
/** What is written to, and the `process.env` through which the author's code does that. */
let env: Record<string, string> | undefined;
let shown: Record<string, string> | undefined;
let kvOfRun: (() => unknown) | undefined;
const hooks: (() => void)[] = [];

function refill(target: Record<string, string>): void {
  const before = keys(target);
  // Nothing is thrown, and nothing of the author's called, where the author has frozen it or put accessors into it.
  for (let i = 0; i < before.length; i++) deleteProperty(target, before[i]!);
  const names = keys(given);
  for (let i = 0; i < names.length; i++) {
    const value = given[names[i]!]!;
    const property = assign(create(null), { value, writable: true, enumerable: true, configurable: true });
    tryDefineProperty(target, names[i]!, property as PropertyDescriptor);
  }
}

/** To be called before anything of the author's runs for it. */
export function beginNodeRun(settings: Readonly<Record<string, string>>): void {
  given = settings;
  kvOfRun = undefined;
  if (env !== undefined) refill(env);
  for (let i = 0; i < hooks.length; i++) hooks[i]!();
}

/** What `process.env.KV` answers for the rest of the run, where no setting has that name. */
export function offerKv(kvOf: () => unknown): void {
  kvOfRun = kvOf;
}

/** What `process.env` is: whatever is written to it becomes text. */
export function processEnv(): Record<string, string> {
  if (env === undefined || shown === undefined) {
    env = {};
    refill(env);
    const traps: ProxyHandler<Record<string, string>> = {
      defineProperty(target, key, property) {
        const asText = "value" in property ? { value: `${property.value}` } : undefined;
        return tryDefineProperty(target, key, assign(property, asText));
      },
      // Libraries that take a function for a Node program look for its bindings there.
      get: (target, key) => (key === "KV" && !hasOwn(target, key) ? kvOfRun?.() : target[key as string]),
    };
    shown = new NativeProxy(env, assign(create(null), traps) as typeof traps);
  }
  return shown;
}

export const services: Omit<NodeServices, "requireByName"> & Partial<NodeServices> = {
  env: processEnv,
  log: (level, message) => log(currentRun, level, message),
  setBinder,
  beforeRunEnd,
  onRun(hook) {
    hooks[hooks.length] = hook;
  },
};
