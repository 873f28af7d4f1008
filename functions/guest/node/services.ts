/** What node: modules get of the guest, beside the global object: nothing of the host. */
import type { LogLevel } from "../../../core/domain/log-level.ts";
import { currentRun } from "../run/current-run.ts";
import { log } from "../run/log.ts";
import { assign, create, deleteProperty, keys, tryDefineProperty } from "../run/primordials.ts";
import { type Binder, setBinder } from "./context.ts";

export interface NodeServices {
  /** One object for the isolate's life, which begins each run as the revision's settings and secrets. */
  env(): Record<string, string>;
  /** A line of the log of the run under way. */
  log(level: LogLevel, message: string): void;
  setBinder(binder: Binder): void;
  /** Called at the beginning of each run. */
  onRun(hook: () => void): void;
  /** What the author's code has as `require`. */
  requireByName(name: unknown): unknown;
}

let given: Readonly<Record<string, string>> = create(null);
let env: Record<string, string> | undefined;
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
  if (env !== undefined) refill(env);
  for (let i = 0; i < hooks.length; i++) hooks[i]!();
}

/** What `process.env` is. */
export function processEnv(): Record<string, string> {
  if (env === undefined) {
    env = {};
    refill(env);
  }
  return env;
}

export const services: Omit<NodeServices, "requireByName"> & Partial<NodeServices> = {
  env: processEnv,
  log: (level, message) => log(currentRun, level, message),
  setBinder,
  onRun(hook) {
    hooks[hooks.length] = hook;
  },
};
