/** Grouped errors on the wire: `/v1/errors`. */
import { z } from "zod";
import { ERROR_STATES, GROUP_HOURS, listHours } from "../domain/error-groups.ts";
import { filterField, idOutput, instantOutput, listQuery, nameField, repeatedField } from "./common.ts";
import { taskNameField } from "./task-key.ts";

export const errorListQuery = listQuery.extend({
  state: filterField(repeatedField(z.enum(ERROR_STATES, `must be one of ${ERROR_STATES.join(", ")}`))).meta({
    description: "May be repeated: any of them.",
  }),
  function: filterField(nameField).meta({ description: "A function whose runs failed in this way." }),
  taskId: filterField(taskNameField).meta({
    description: "A task whose runs failed in this way: its id, or its key.",
  }),
});

export const errorGroupOutput = z
  .object({
    fingerprint: z.string().meta({ description: "What its failures have in common." }),
    code: z.string(),
    message: z.string().meta({ description: "From the run that failed last; cut to 500 characters." }),
    count: z.int().meta({ description: "How many runs failed in this way." }),
    firstSeenAt: instantOutput,
    lastSeenAt: instantOutput,
    sampleRunIds: z.array(idOutput).meta({ description: "The newest of them, up to 5." }),
    state: z.enum(ERROR_STATES),
    lastDay: z.array(z.int()).length(GROUP_HOURS).meta({
      description: "How many in each of the last 24 hours, the oldest first; the last hour is not complete.",
    }),
  })
  .meta({
    id: "ErrorGroup",
    description: "Failures of one kind.",
    examples: [
      {
        fingerprint: "5f2c1e0b9a7d4c3f8e6b1a2d3c4f5e60",
        code: "http_status",
        message: "The server answered 503.",
        count: 12,
        firstSeenAt: "2026-11-23T20:46:06.366Z",
        lastSeenAt: "2026-11-23T21:02:11.018Z",
        sampleRunIds: ["01a20a28-a81c-7294-862d-1a27e97c0d32"],
        state: "open",
        lastDay: [...new Array<number>(GROUP_HOURS - 2).fill(0), 9, 3],
      },
    ],
  });
export type WireErrorGroup = z.output<typeof errorGroupOutput>;

interface ErrorGroupFacts extends Omit<WireErrorGroup, "firstSeenAt" | "lastSeenAt" | "lastDay"> {
  firstSeenAt: Date;
  lastSeenAt: Date;
  hours: Record<string, number>;
}

export function toWireErrorGroup(group: ErrorGroupFacts, now: Date): WireErrorGroup {
  const { fingerprint, code, message, count, firstSeenAt, lastSeenAt, sampleRunIds, state } = group;
  return {
    ...{ fingerprint, code, message, count },
    ...{ firstSeenAt: firstSeenAt.toISOString(), lastSeenAt: lastSeenAt.toISOString() },
    ...{ sampleRunIds, state, lastDay: listHours(group.hours, now) },
  };
}
