/** The audit log on the wire: `GET /v1/audit`. */
import { z } from "zod";
import type { AuditedChange } from "../domain/audit.ts";
import {
  filterField,
  idOutput,
  instantField,
  instantOutput,
  jsonOutput,
  lineField,
  listQuery,
} from "./common.ts";

export const ACTOR_KINDS = ["key", "setting", "token"] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

const text = (what: string) => filterField(lineField(what).min(1).max(500));

export const auditQuery = listQuery.extend({
  actor: text("an actor").meta({ description: "The id or name of a key, or of a token's subject." }),
  action: text("an action").meta({ description: "The operation's `operationId` in this document." }),
  resource: filterField(
    lineField("a resource").min(1).max(500).regex(/^[^/]/, "is a path below /v1/, such as queues/mail"),
  ).meta({
    description:
      "What was changed, such as `queues/mail`, including everything that belongs to it; or its kind: `queues`. For an existing task you can also use its key.",
  }),
  from: filterField(instantField).meta({ description: "Changed at this instant or later." }),
  to: filterField(instantField).meta({ description: "Changed before this instant." }),
});

const change = (description: string) => z.record(z.string(), jsonOutput).nullable().meta({ description });

export const auditEntryOutput = z
  .object({
    id: idOutput,
    at: instantOutput,
    action: z.string().meta({ description: "The operation's `operationId` in this document." }),
    resource: z.string().meta({ description: "The path of what was changed, below `/v1/`." }),
    status: z.int().meta({ description: "The status of the response." }),
    actor: z.object({
      kind: z.enum(ACTOR_KINDS).meta({
        description: "`setting`: a key of `BELLHOP_API_KEY`; `token`: a token of the OpenID provider.",
      }),
      keyId: idOutput.meta({
        description: "For a token, the id of its subject, the same for each of its tokens.",
      }),
      name: z.string().meta({ description: "The key's name at that time; for a token, its subject." }),
      address: z.string().nullable().meta({ description: "Where the request came from." }),
    }),
    before: change(
      "The fields that differ, with their old values; null: the resource did not exist, or is not shown.",
    ),
    after: change("The same fields, with their new values; null: the resource no longer exists."),
  })
  .meta({
    id: "AuditEntry",
    examples: [
      {
        id: "01a20a28-a81c-7294-862d-1a27e97c0d32",
        at: "2026-11-23T20:46:06.388Z",
        action: "putQueue",
        resource: "queues/mail",
        status: 200,
        actor: {
          ...{ kind: "key", keyId: "01a20a22-0882-748a-8c74-f2392339679a", name: "ci" },
          address: "192.0.2.7",
        },
        before: { concurrency: 1 },
        after: { concurrency: 5 },
      },
    ],
  });

/** An entry as it is stored. */
export interface AuditEntry extends AuditedChange {
  id: string;
  action: string;
  resource: string;
  status: number;
  actorKind: ActorKind;
  actorKeyId: string;
  actorName: string;
  address: string | null;
}

export function toWireAuditEntry(entry: AuditEntry & { at: Date }): z.input<typeof auditEntryOutput> {
  const { id, at, action, resource, status, actorKind, actorKeyId, actorName, address, before, after } =
    entry;
  return {
    ...{ id, at: at.toISOString(), action, resource, status },
    actor: { kind: actorKind, keyId: actorKeyId, name: actorName, address },
    ...{ before, after },
  };
}
