/** A revision that a call asks for by name, in place of the one the function's traffic would choose. */
export type RunTarget = { tag: string } | { revision: string };
