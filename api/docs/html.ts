import type { html } from "hono/html";

/** HTML that is escaped already, as Hono's template makes it; what it is given is text unless it is this. */
export type Html = ReturnType<typeof html>;
