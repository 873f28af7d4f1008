/** What `ctx` offers, for completion; functions/bellhop.d.ts has the whole of it. */
type Members = readonly (readonly [label: string, detail: string])[];

const LOG: Members = [
  ["debug", "(message, fields?)"],
  ["info", "(message, fields?)"],
  ["warn", "(message, fields?)"],
  ["error", "(message, fields?)"],
];

export const CONTEXT_MEMBERS: Record<string, Members> = {
  ctx: [
    ["log", "the run's log"],
    ["env", "settings and secrets"],
    ["kv", "the function's key-value store"],
    ["attempt", "1 for the first attempt"],
    ["runId", "string"],
    ["scheduledAt", "Date"],
    ["deadlineAt", "Date"],
    ["trigger", "what created this run"],
    ["signal", "AbortSignal"],
    ["waitUntil", "(promise)"],
  ],
  "ctx.log": LOG,
  "ctx.kv": [
    ["get", "(key)"],
    ["getEntry", "(key)"],
    ["set", "(key, value, condition?)"],
    ["delete", "(key, condition?)"],
    ["list", "(options?)"],
  ],
};
