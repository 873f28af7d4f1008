import { z } from "zod";
import { durationField } from "./common.ts";

const MIN_WINDOW_MS = 1_000;
/** As long as an idempotency key is kept. */
const MAX_WINDOW_MS = 86_400_000;

/** Of a request that makes something: nothing, where the same was made within the window. */
export const dedupField = z
  .strictObject({ window: durationField(MIN_WINDOW_MS, MAX_WINDOW_MS) })
  .transform(({ window }) => ({ windowMs: window }))
  .meta({
    description: "Makes nothing where the same was made within the window, back from now: that is answered.",
    examples: [{ window: "10m" }],
  });
export type Dedup = z.output<typeof dedupField>;
