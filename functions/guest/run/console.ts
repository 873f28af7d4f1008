/** `console`: its lines go to the log of the run under way. */

import type { LogLevel } from "../../../core/domain/log-level.ts";
import { currentRun } from "./current-run.ts";
import { readProperty } from "./describe.ts";
import { safeStringify } from "./fields.ts";
import { inspect } from "./inspect.ts";
import { log } from "./log.ts";
import {
  assign,
  create,
  defineProperty,
  expose,
  mapDelete,
  mapGet,
  mapSet,
  NativeError,
  NativeMap,
  replace,
  toNumber,
  toText,
  trunc,
} from "./primordials.ts";
import { clock } from "./timers.ts";

const MARKS = /%[sdifjoOc%]/g;

export function installConsole(): void {
  const counts = new NativeMap<string, number>();
  const started = new NativeMap<string, number>();
  const write =
    (level: LogLevel) =>
    (...values: unknown[]) =>
      log(currentRun, level, format(values));
  const sinceStart = (label: string) => {
    const start = mapGet(started, label);
    if (start !== undefined) log(currentRun, "info", `${label}: ${clock() - start} ms`);
  };
  const methods = {
    debug: write("debug"),
    log: write("info"),
    info: write("info"),
    dir: (value?: unknown, options?: unknown) =>
      log(currentRun, "info", inspect(value, readDepth(readProperty(options, "depth")))),
    dirxml: write("info"),
    table: write("info"),
    group: write("info"),
    groupCollapsed: write("info"),
    groupEnd() {},
    clear() {},
    warn: write("warn"),
    error: write("error"),
    trace: (...values: unknown[]) =>
      log(currentRun, "debug", `${format(values)}\n${new NativeError("Trace").stack}`),
    assert(condition: unknown = false, ...values: unknown[]) {
      if (!condition) log(currentRun, "error", `Assertion failed: ${format(values)}`);
    },
    count(label: unknown = "default") {
      const key = toText(label);
      const count = (mapGet(counts, key) ?? 0) + 1;
      mapSet(counts, key, count);
      log(currentRun, "info", `${key}: ${count}`);
    },
    countReset(label: unknown = "default") {
      mapDelete(counts, toText(label));
    },
    time(label: unknown = "default") {
      mapSet(started, toText(label), clock());
    },
    timeLog: (label: unknown = "default") => sinceStart(toText(label)),
    timeEnd(label: unknown = "default") {
      sinceStart(toText(label));
      mapDelete(started, toText(label));
    },
  };
  // A namespace object: its own prototype, empty, between it and Object.prototype.
  const console = assign(create({}), methods);
  defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });
  expose("console", console);
}

/** Node counts the levels below the first; null is all of them. Undefined: the usual. */
function readDepth(depth: unknown): number | undefined {
  if (depth === null) return Number.POSITIVE_INFINITY;
  return typeof depth === "number" && depth >= 0 ? depth + 1 : undefined;
}

/** The usual %s %d %i %f %j %o %O %c of console, then the rest separated by spaces. */
function format(values: unknown[]): string {
  let next = 0;
  let text = "";
  const substitute = (mark: string): string => {
    if (mark === "%%") return "%";
    if (next >= values.length) return mark;
    const value = values[next++];
    if (mark === "%c") return "";
    if (mark === "%d" || mark === "%f")
      return toText(typeof value === "object" ? Number.NaN : toNumber(value));
    if (mark === "%i") return toText(typeof value === "object" ? Number.NaN : trunc(toNumber(value)));
    return mark === "%j" ? safeStringify(value) : inspect(value);
  };
  if (typeof values[0] === "string") {
    next = 1;
    text = values.length === 1 ? values[0] : replace(MARKS, values[0], substitute);
  }
  for (; next < values.length; next++) text += (next === 0 ? "" : " ") + inspect(values[next]);
  return text;
}
