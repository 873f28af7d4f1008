import { shortenName } from "../../core/contracts/plain-words.ts";
import { BellhopError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { findTextFault } from "../../core/storable-text.ts";

/** 422 that names the field whose text the database does not take. `text` is what the value was parsed from. */
export function refuseUnstorable(value: Json, text: string): void {
  const fault = findTextFault(value, text);
  if (!fault) return;
  const field = shortenName(fault.path.join("."));
  if (field === "") throw new BellhopError("invalid_input", 422, `The input ${fault.message}.`);
  throw invalidField(field, fault.message);
}
