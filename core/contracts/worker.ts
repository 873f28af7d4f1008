/** A worker as the API lists it. */
import { z } from "zod";
import { idOutput, instantOutput } from "./common.ts";

const workerOutput = z
  .object({
    id: idOutput,
    host: z.string(),
    pid: z.int(),
    since: instantOutput,
    slots: z.int(),
    free: z.int().meta({
      description:
        "The slots less the runs that are not recorded yet, as last reported, at most a second ago.",
    }),
    receive: z.string().meta({ description: "How it receives runs: the setting WORKER_RECEIVE." }),
    draining: z.boolean(),
  })
  .meta({
    id: "Worker",
    examples: [
      {
        id: "01a20a28-0882-748a-8c74-f2392339679a",
        host: "worker-0",
        pid: 17,
        since: "2026-11-23T20:40:00.000Z",
        slots: 32,
        free: 30,
        receive: "queue",
        draining: false,
      },
    ],
  });

export const workersOutput = z.object({ items: z.array(workerOutput) });
