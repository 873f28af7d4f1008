/** Keys on the wire. The secret of one is shown once, where it is made or rotated. */
import { z } from "zod";
import { SCOPES, type Scope } from "../domain/scopes.ts";
import { durationField, idOutput, instantField, instantOutput, lineField, nameField } from "./common.ts";

export const MAX_KEY_NAME_CHARS = 100;
export const MAX_KEY_FUNCTIONS = 100;
export const MAX_OVERLAP_MS = 30 * 86_400_000;

/** It names the keys of the setting BELLHOP_API_KEY. */
const TAKEN_NAME = "admin";

/** The body of `POST /v1/keys`. */
export const keyInput = z
  .strictObject({
    name: lineField("a name")
      .min(1)
      .max(MAX_KEY_NAME_CHARS)
      .refine((name) => name !== TAKEN_NAME, "admin names the keys of BELLHOP_API_KEY: choose another name"),
    scopes: z
      .array(z.enum(SCOPES, `must be one of ${SCOPES.join(", ")}`))
      .min(1, "must name at least one scope")
      .max(SCOPES.length)
      .meta({ description: "What the key may do; `admin` is everything but `operator`." }),
    expiresAt: instantField.nullable().prefault(null).meta({ description: "Null: it does not expire." }),
    functions: z
      .array(nameField)
      .min(1, "must name at least one function, or be null")
      .max(MAX_KEY_FUNCTIONS)
      .nullable()
      .default(null)
      .meta({ description: "The key works only for these functions, and for nothing else; null: for all." }),
  })
  .refine(
    ({ scopes, functions }) => functions === null || !scopes.some((scope) => BEYOND_FUNCTIONS.has(scope)),
    {
      path: ["functions"],
      message:
        "can be combined only with read, write, deploy and invoke: admin and operator apply to more than functions",
    },
  )
  .meta({
    examples: [{ name: "ci", scopes: ["read", "deploy"], expiresAt: null, functions: ["greet"] }],
  });

const BEYOND_FUNCTIONS = new Set<Scope>(["admin", "operator"]);

/** The body of `POST /v1/keys/{id}/rotate`. */
export const rotationInput = z
  .strictObject({
    overlap: durationField(0, MAX_OVERLAP_MS)
      .prefault("1h")
      .meta({ description: "How long the previous secret stays valid." }),
  })
  .meta({ examples: [{ overlap: "1h" }] });

const scopesOutput = z.array(z.enum(SCOPES)).meta({ description: "What the key may do." });

const facts = {
  id: idOutput,
  name: z.string(),
  functions: z
    .array(z.string())
    .nullable()
    .meta({ description: "The names of the functions that the key is restricted to; null: no restriction." }),
  expiresAt: instantOutput.nullable().meta({ description: "Null: it does not expire." }),
};

export const whoamiOutput = z
  .object({
    namespace: z.string().meta({ description: "The namespace in which this request acts." }),
    key: z.object(facts).meta({ description: "For a token: its subject, which has its own id." }),
    scopes: scopesOutput,
    token: z
      .object({
        issuer: z.string(),
        subject: z.string(),
        namespaces: z.array(z.string()).meta({
          description:
            "The namespaces that it may act in, by `Bellhop-Namespace`; an operator's token may also act in all others.",
        }),
      })
      .optional()
      .meta({ description: "Only for a token of the OpenID provider." }),
  })
  .meta({
    id: "Caller",
    examples: [
      {
        namespace: "billing",
        key: {
          id: "01a20a22-0882-748a-8c74-f2392339679a",
          name: "ci",
          functions: null,
          expiresAt: "2027-11-23T20:46:06.366Z",
        },
        scopes: ["read", "deploy"],
      },
    ],
  });

interface CallerFacts {
  namespace: string;
  keyId: string;
  keyName: string;
  functions: string[] | null;
  expiresAt: Date | null;
  scopes: string[];
  token?: { issuer: string; grants: readonly { namespace: string }[] };
}

export function toWireCaller(owner: CallerFacts): z.output<typeof whoamiOutput> {
  const { namespace, keyId, keyName, functions, expiresAt, scopes, token } = owner;
  return {
    namespace,
    key: { id: keyId, name: keyName, functions, expiresAt: expiresAt?.toISOString() ?? null },
    scopes: scopes as Scope[],
    ...(token ? { token: toWireToken(token, keyName) } : {}),
  };
}

const toWireToken = ({ issuer, grants }: NonNullable<CallerFacts["token"]>, subject: string) => ({
  ...{ issuer, subject },
  namespaces: grants.map(({ namespace }) => namespace),
});

const keyFields = {
  ...facts,
  scopes: scopesOutput,
  ending: z
    .string()
    .nullable()
    .meta({ description: "The last characters of its secret; null if an earlier release created it." }),
  createdAt: instantOutput,
  lastUsedAt: instantOutput
    .nullable()
    .meta({ description: "Accurate to about a minute; null: it was never used." }),
  revokedAt: instantOutput.nullable(),
  previousUntil: instantOutput
    .nullable()
    .meta({ description: "After a rotation: until when the previous secret is valid too." }),
};

const EXAMPLE_KEY = {
  id: "01a20a22-0882-748a-8c74-f2392339679a",
  name: "ci",
  functions: ["greet"],
  expiresAt: null,
  scopes: ["read", "deploy"],
  ending: "x4Qz",
  createdAt: "2026-11-23T20:40:00.000Z",
  lastUsedAt: "2026-11-23T20:46:06.366Z",
  revokedAt: null,
  previousUntil: null,
} as const;

export const keyOutput = z
  .object(keyFields)
  .meta({ id: "Key", description: "A key without its secret.", examples: [EXAMPLE_KEY] });
export type WireKey = z.output<typeof keyOutput>;

export const shownKeyOutput = z
  .object({
    ...keyFields,
    key: z.string().meta({ description: "The secret, which you send with requests. Shown only this once." }),
  })
  .meta({
    id: "ShownKey",
    examples: [{ ...EXAMPLE_KEY, lastUsedAt: null, key: `bh_${"x".repeat(39)}x4Qz` }],
  });

/** A key without its secret. */
export interface StoredKey {
  id: string;
  name: string;
  scopes: string[];
  functions: string[] | null;
  /** What its secret ends with; null where the release before made it. */
  ending: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  /** Until when the secret before the last rotation is valid too; null: it is not. */
  previousUntil: Date | null;
}

export function toWireKey(key: StoredKey): WireKey {
  const { createdAt, expiresAt, lastUsedAt, revokedAt, previousUntil } = key;
  return {
    ...key,
    scopes: key.scopes as Scope[],
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
    previousUntil: previousUntil?.toISOString() ?? null,
  };
}
