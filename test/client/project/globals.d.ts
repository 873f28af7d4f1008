/** What this project uses of Node, so that it needs no types of it. */
declare const process: { env: Record<string, string | undefined> };
