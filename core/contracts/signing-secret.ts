/** The secrets that deliveries are signed with, on the wire: who verifies a delivery needs them. */
import { z } from "zod";
import { instantOutput } from "./common.ts";

export const signingSecretsOutput = z
  .object({
    items: z
      .array(
        z.object({
          secret: z.string().meta({ description: "`whsec_` and base64, as in Standard Webhooks." }),
          createdAt: instantOutput,
        }),
      )
      .meta({ description: "The valid secrets, one or two, the newest first." }),
  })
  .meta({
    id: "SigningSecrets",
    examples: [
      {
        items: [
          {
            secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfVYnAGvbk=",
            createdAt: "2026-11-23T20:40:00.000Z",
          },
        ],
      },
    ],
  });

export const toWireSigningSecrets = (
  secrets: { secret: string; createdAt: Date }[],
): z.output<typeof signingSecretsOutput> => ({
  items: secrets.map(({ secret, createdAt }) => ({ secret, createdAt: createdAt.toISOString() })),
});
