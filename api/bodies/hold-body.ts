import type { Context } from "hono";
import type { ApiEnv } from "../environment.ts";

export interface HeldBody {
  text: string;
  /** Whoever reads the body next reads this: a transaction that is done once more has its handler read it anew. */
  putBack(): void;
}

/** Reads the body before a transaction begins: it comes at its sender's pace, and no transaction waits for that. */
export async function holdBody(context: Context<ApiEnv>): Promise<HeldBody> {
  const text = await context.req.text();
  return {
    text,
    putBack() {
      context.req.bodyCache = { text: Promise.resolve(text) as never };
    },
  };
}
