/** For routes that take no body: a field that would be ignored is refused by its name. None at all, or `{}`, is fine. */
import type { MiddlewareHandler } from "hono";
import { z } from "zod";
import type { ApiEnv } from "../environment.ts";
import { readJson, validate } from "./body.ts";

const noFields = z.strictObject({});

export const refuseBody: MiddlewareHandler<ApiEnv> = async (context, next) => {
  const given = await readJson(context, { optional: true });
  if (given !== undefined) validate(noFields, given);
  await next();
};
