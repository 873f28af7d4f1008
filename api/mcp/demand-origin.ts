import { BellhopError } from "../../core/errors.ts";

/** 403 for a browser's page that nobody allowed, also where a name was pointed at this address. Programs name no origin. */
export function demandOrigin(origin: string | undefined, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return;
  const message =
    "Pages of this origin may not call this address; the operator lists allowed origins in BELLHOP_CORS_ORIGINS.";
  throw new BellhopError("forbidden", 403, message);
}
