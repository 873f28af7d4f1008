/** What a hook asks of those who call it. */
import type { RequestRate } from "./request-rate.ts";

/** In which shape senders sign. */
export const HOOK_SCHEMES = ["github", "stripe", "standard-webhooks"] as const;
export type HookScheme = (typeof HOOK_SCHEMES)[number];

export interface HookVerification {
  scheme: HookScheme;
  /** Names of secrets of the namespace, any of which will do. */
  secrets: string[];
  /** How far the instant of a signature may lie from now, where the scheme has one. */
  toleranceMs: number;
}

export interface HookGuards {
  /** Null: whoever has the token may call. */
  verify: HookVerification | null;
  /** Of calls that would make a run; null: as many as come. */
  rate: RequestRate | null;
}
