/** A task as the API shows it. */
import type { Schemas } from "../../client/client.ts";

export type Task = Schemas["Task"];
