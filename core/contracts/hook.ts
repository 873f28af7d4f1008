/** Webhooks on the wire. */
import { z } from "zod";
import type { JsonObject } from "../json.ts";
import { lineField, nameField } from "./common.ts";

/** The body of `POST /v1/functions/{name}/hooks`; `tag`: the revision that is triggered, in place of the traffic. */
export const hookInput = z.strictObject({
  name: lineField("a name").min(1).max(100).nullable().default(null),
  tag: nameField.nullable().default(null),
});

interface WireHookFacts {
  id: string;
  name: string | null;
  tag: string | null;
  createdAt: Date;
}

export function toWireHook({ id, name, tag, createdAt }: WireHookFacts): JsonObject {
  return { id, name, tag, createdAt: createdAt.toISOString() };
}
