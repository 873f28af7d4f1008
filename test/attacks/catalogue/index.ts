import type { Attack } from "../attack.ts";
import { escapes } from "./escape.ts";
import { floods } from "./floods.ts";
import { memory } from "./memory.ts";
import { poisoning } from "./poisoning.ts";
import { processor } from "./processor.ts";
import { reach } from "./reach.ts";
import { references } from "./references.ts";
import { tenants } from "./tenants.ts";
import { upload } from "./upload.ts";
import { values } from "./values.ts";
import { windows } from "./windows.ts";

/** Every attack that a function's author can make, family by family. */
export const CATALOGUE: Record<string, Attack[]> = {
  escapes,
  references,
  values,
  poisoning,
  tenants,
  reach,
  floods,
  processor,
  memory,
  windows,
  upload,
};
