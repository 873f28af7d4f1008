/** What a list's filter means in SQL: a condition on a row `r` for each field that is given. */
import type { RawBuilder } from "kysely";

export type Condition = RawBuilder<unknown>;

export type FilterConditions<Filter> = {
  [Key in keyof Filter]-?: (value: NonNullable<Filter[Key]>, namespaceId: string) => Condition;
};

export function toConditions<Filter extends object>(
  conditions: FilterConditions<Filter>,
  namespaceId: string,
  filter: Filter,
): Condition[] {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return given.map(([key, value]) => conditions[key as keyof Filter](value, namespaceId));
}
