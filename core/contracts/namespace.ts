/** Namespaces on the wire. */
import { z } from "zod";
import { instantOutput, nameField } from "./common.ts";

/** The body of `POST /v1/namespaces`. */
export const namespaceInput = z.strictObject({ name: nameField }).meta({ examples: [{ name: "billing" }] });

const NAMESPACE_STATES = ["active", "deleting"] as const;

export const namespaceOutput = z
  .object({
    name: z.string(),
    state: z
      .enum(NAMESPACE_STATES)
      .meta({ description: "`deleting`: it accepts nothing new, and is being removed." }),
    createdAt: instantOutput,
  })
  .meta({
    id: "Namespace",
    examples: [{ name: "billing", state: "active", createdAt: "2026-11-23T20:40:00.000Z" }],
  });

interface NamespaceFacts {
  name: string;
  createdAt: Date;
  closedAt: Date | null;
}

export const toWireNamespace = ({
  name,
  createdAt,
  closedAt,
}: NamespaceFacts): z.output<typeof namespaceOutput> => ({
  ...{ name, state: closedAt ? "deleting" : "active", createdAt: createdAt.toISOString() },
});
