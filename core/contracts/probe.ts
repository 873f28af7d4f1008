/** What the probes answer. */
import { z } from "zod";

export const healthOutput = z
  .object({ status: z.literal("ok") })
  .meta({ id: "Health", examples: [{ status: "ok" }] });

export const readinessOutput = z
  .object({
    status: z.enum(["ready", "not ready"]),
    checks: z
      .record(z.string(), z.unknown())
      .meta({ description: "Part → `ok`, or what is wrong with it; other parts give information." }),
  })
  .meta({ id: "Readiness", examples: [{ status: "ready", checks: { database: "ok" } }] });
