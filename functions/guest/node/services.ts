/** What node: modules get of the guest, beside the global object: nothing of the host. */
import type { LogLevel } from "../../../core/domain/log-level.ts";
import { currentRun } from "../run/current-run.ts";
import { log } from "../run/log.ts";
import { create, keys } from "../run/primordials.ts";
import { type Binder, setBinder } from "./context.ts";

export interface NodeServices {
  /** One object for the isolate's life, which begins each run as the revision's settings and secrets. */
  env(): Record<string, string>;
  /** A line of the log of the run under way. */
  log(level: LogLevel, message: string): void;
  setBinder(binder: Binder): void;
  /** Called at the beginning of each run. */
  onRun(hook: () => void): void;
}

let given: Readonly<Record<string, string>> = create(null);
let env: Record<string, string> | undefined;
const hooks: (() => void)[] = [];

function refill(target: Record<string, string>): void {
  const before = keys(target);
  for (let i = 0; i < before.length; i++) delete target[before[i]!];
  const names = keys(given);
  for (let i = 0; i < names.length; i++) target[names[i]!] = given[names[i]!]!;
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

export const services: NodeServices = {
  env: processEnv,
  log: (level, message) => log(currentRun, level, message),
  setBinder,
  onRun(hook) {
    hooks[hooks.length] = hook;
  },
};
