import { shortenName } from "../../core/contracts/plain-words.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { JsonSource } from "../../core/json-source.ts";
import { hasUnstorableNumber, UNSTORABLE_NUMBER } from "../../core/storable-number.ts";
import { findTextFault } from "../../core/storable-text.ts";

/** 422 that names the field whose text the database does not take. `text` is what the value was parsed from. */
export function refuseUnstorable(value: Json, text: string): void {
  const fault = findTextFault(value, text);
  if (!fault) return;
  refuse(shortenName(fault.path.join(".")), fault.message);
}

/**
 * 422 for JSON that is kept as its author wrote it and holds a number that the database does not take. Text that it does
 * not take may stand in it.
 */
export function refuseUnstorableSource({ text }: JsonSource, field: string): void {
  if (hasUnstorableNumber(text)) refuse(field, UNSTORABLE_NUMBER);
}

function refuse(field: string, message: string): never {
  if (field === "") throw new BellhopError("invalid_input", 422, `The input ${message}.`);
  throw invalidField(field, message);
}
