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
    description:
      "If the same was created within the window before now, nothing is created and that one is returned.",
    examples: [{ window: "10m" }],
  });
export type Dedup = z.output<typeof dedupField>;
