/** A function as the API shows it. */
import type { Schemas } from "../../client/client.ts";

export type Fn = Schemas["Function"];
