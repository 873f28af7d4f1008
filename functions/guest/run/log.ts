/** One line of a run's log, bounded here kindly and once more outside. */
import type { LogLevel } from "../../../core/domain/log-level.ts";
import { GUEST_LIMITS } from "../limits.ts";
import { type GuestRun, runHost } from "./current-run.ts";
import { safeStringify } from "./fields.ts";
import { inspect, isShownByKind } from "./inspect.ts";
import { dateNow, isArray, max, slice, stringify } from "./primordials.ts";
import { fittingChars } from "./text.ts";

/** The count stands before anything that the author's code could have replaced. */
export function log(run: GuestRun, level: LogLevel, message: unknown, fields?: unknown): void {
  if (run.ended) return;
  if (run.lines >= run.maxLines) {
    run.dropped++;
    return;
  }
  run.lines++;
  let text = typeof message === "string" ? message : inspect(message);
  let json = fields === undefined || fields === null ? "" : fieldsJson(fields);
  const { logLineBytes } = GUEST_LIMITS;
  if (json !== "" && fittingChars(json, logLineBytes) < json.length) {
    json = stringify({ __proto__: null, cut: `the fields take ${json.length} characters` });
  }
  const room = logLineBytes - json.length * (json.length * 3 > logLineBytes ? 3 : 1);
  const fits = fittingChars(text, max(room, 256));
  if (fits < text.length) {
    text = `${slice(text, 0, max(fits - 64, 0))}… (cut, ${text.length} characters in all)`;
  }
  runHost.log(run.no, level, text, json, dateNow());
}

/** Always of an object: what is none is its only field. */
function fieldsJson(fields: unknown): string {
  const isPlain = typeof fields === "object" && fields !== null && !isArray(fields) && !isShownByKind(fields);
  return safeStringify(isPlain ? fields : { fields });
}
