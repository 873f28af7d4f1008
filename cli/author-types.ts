/** functions/bellhop.d.ts, which build.ts puts in place; run from its sources the program has none. */
declare const BELLHOP_AUTHOR_TYPES: string | undefined;

export const AUTHOR_TYPES = typeof BELLHOP_AUTHOR_TYPES === "string" ? BELLHOP_AUTHOR_TYPES : "";
