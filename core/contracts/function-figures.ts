/** What the last runs of a function tell of it, on the wire. */
import { z } from "zod";
import { instantOutput } from "./common.ts";

const spreadOutput = (description: string) =>
  z
    .object({ median: z.number(), p95: z.number(), max: z.number() })
    .nullable()
    .meta({ description: `${description} Null if no run has a value.` });

const EXAMPLE = {
  ...{ runs: 1_000, since: "2026-11-23T20:46:06.366Z", succeeded: 990, cold: 12, warm: 980 },
  coldStartMs: { median: 6.1, p95: 9.8, max: 12 },
  durationMs: { median: 3.2, p95: 20, max: 310 },
  cpuMs: { median: 0.4, p95: 2.1, max: 18 },
  heldBytes: { median: 6_100_000, p95: 7_400_000, max: 9_000_000 },
};

export const functionFiguresOutput = z
  .object({
    runs: z.int().meta({ description: "How many runs these are: the newest that have ended." }),
    since: instantOutput.nullable().meta({ description: "When the oldest of them ended." }),
    succeeded: z.int(),
    cold: z.int().meta({ description: "Runs whose isolate was loaded for them." }),
    warm: z.int().meta({ description: "Runs whose isolate had served before." }),
    coldStartMs: spreadOutput("How long cold runs waited for their isolate."),
    durationMs: spreadOutput("From the start of the last attempt to the end of the run."),
    cpuMs: spreadOutput("How long the runs used a thread."),
    heldBytes: spreadOutput("The memory that their isolates held afterwards."),
  })
  .meta({ id: "FunctionFigures", examples: [EXAMPLE] });

interface Figures extends Omit<z.output<typeof functionFiguresOutput>, "since"> {
  since: Date | null;
}

export const toWireFigures = ({ since, ...figures }: Figures): z.output<typeof functionFiguresOutput> => ({
  ...figures,
  since: since?.toISOString() ?? null,
});
