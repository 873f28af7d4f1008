/** The value of OIDC_GRANTS: rules by which claims of a token become scopes in a namespace, as JSON. */
import { z } from "zod";
import { nameField } from "../contracts/common.ts";
import { isOperator, SCOPES } from "../domain/scopes.ts";
import type { TokenRule } from "../domain/token-grants.ts";

const MAX_RULES = 500;
/** Where operators act who name no other namespace, as those of BELLHOP_API_KEY do. */
const OPERATORS_NAMESPACE = "default";

const rule = z
  .strictObject({
    claims: z
      .record(z.string().min(1), z.string("must be a string").min(1))
      .refine((claims) => Object.keys(claims).length > 0, "must name at least one claim"),
    namespace: nameField.optional(),
    scopes: z
      .array(z.enum(SCOPES, `must be one of ${SCOPES.join(", ")}`))
      .min(1, "must name at least one scope"),
  })
  .refine(({ namespace, scopes }) => namespace !== undefined || isOperator(scopes), {
    path: ["namespace"],
    message: "is needed: only a rule with the scope operator may leave it out",
  });
const rules = z.array(rule).min(1, "must have at least one rule").max(MAX_RULES);

const EXAMPLE = '[{"claims": {"groups": "billing"}, "namespace": "billing", "scopes": ["read", "deploy"]}]';

/** Throws what is wrong, as it follows the setting's name. */
export function parseTokenRules(given: string): TokenRule[] {
  let json: unknown;
  try {
    json = JSON.parse(given);
  } catch {
    throw new Error(`must be JSON, such as ${EXAMPLE}`);
  }
  const parsed = rules.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new Error(`must be rules, such as ${EXAMPLE}; ${["rules", ...path].join(".")}: ${message}`);
  }
  return parsed.data.map(({ namespace = OPERATORS_NAMESPACE, ...rest }) => ({ ...rest, namespace }));
}
