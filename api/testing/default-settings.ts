import { systemClock } from "../../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../../core/config/function-caps.ts";
import { readSettings } from "../../core/config/settings.ts";
import { trueTime } from "../../core/schedule-time.ts";
import type { RouteSettings } from "../http/route.ts";

/** What routes are made with where the operator says nothing. */
export const DEFAULT_SETTINGS: RouteSettings = {
  clock: systemClock,
  time: trueTime(systemClock),
  functionCaps: toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})),
};
