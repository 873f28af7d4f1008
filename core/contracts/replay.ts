/** A replay on the wire. What it makes is shown as a run. */
import { z } from "zod";
import { REPLAY_REVISIONS } from "../domain/replay.ts";
import { jsonOutput } from "./common.ts";

/** The body of `POST /v1/runs/{id}/replay`. */
export const replayInput = z
  .strictObject({
    input: jsonOutput.optional().meta({
      description:
        "Replaces what the run was given: the input of a function, the body of an HTTP task or of a request. Absent: the same.",
    }),
    revision: z.enum(REPLAY_REVISIONS, 'must be "same" or "current"').default("current").meta({
      description:
        "`same`: the revision that the run ran on, if it ran on one; `current`: the one that a new call would get.",
    }),
  })
  .meta({ examples: [{ input: { order: 7 }, revision: "same" }] });
