/**
 * What a task does, in its row. An http body that is JSON stands there twice: as its author wrote it, which jsonb would
 * not keep, and as a value, for workers of the release before this one, which know no text.
 */
import type { SecretField, TaskSpec } from "../../domain/task-spec.ts";
import type { Json } from "../../json.ts";
import { JsonSource } from "../../json-source.ts";
import { toJsonText, toStorableJson } from "../json-text.ts";

export type StoredSpec = TaskSpec & { bodyText?: string };

export function toSpecColumn(spec: TaskSpec): string {
  const { body, ...others } = spec as { body?: unknown };
  if (!(body instanceof JsonSource)) return toJsonText(spec);
  // Its text is JSON as it stands, and only has to be put there.
  const text = toStorableJson(JSON.stringify({ ...others, bodyText: body.text }));
  return `${text.slice(0, -1)},"body":${toStorableJson(body.text)}}`;
}

export function fromSpecColumn(stored: StoredSpec): TaskSpec {
  if (stored.bodyText === undefined) return stored;
  const { bodyText, ...spec } = stored;
  return { ...spec, body: new JsonSource(bodyText) } as TaskSpec;
}

/** What a run of a task was given in place of its task's own input, as its row has it. */
export type GivenInput = Pick<
  StoredSpec & { body?: unknown; input?: unknown; secretsIn?: SecretField[] },
  "body" | "bodyText" | "input" | "secretsIn"
>;

/** The spec of a run that was given it. */
export function withGivenInput(stored: StoredSpec, given: GivenInput): StoredSpec {
  const { bodyText: _, ...own } = stored;
  if (!("secretsIn" in own)) return { ...own, ...given } as StoredSpec;
  // Whether its task's body holds secrets says nothing of another one.
  const others = (own.secretsIn ?? []).filter((field) => field !== "body");
  return { ...own, ...given, secretsIn: [...others, ...(given.secretsIn ?? [])] } as StoredSpec;
}

/**
 * @param field the one of the spec that it stands in for
 * @param holdsSecrets whether it has secrets put in
 */
export function toGivenInput(
  field: "body" | "input",
  value: Json | JsonSource,
  holdsSecrets = false,
): string {
  return toJsonText({
    [field]: value,
    ...(value instanceof JsonSource ? { bodyText: value.text } : {}),
    ...(holdsSecrets ? { secretsIn: ["body"] } : {}),
  });
}
