/** Signing in to the console: by a code that works once, for a key that does not last long, or at an OpenID provider. */
import { z } from "zod";
import { instantOutput, lineField } from "./common.ts";

export const MAX_CODE_CHARS = 100;

/** The body of `POST /console/sign-in`. */
export const signInInput = z
  .strictObject({
    code: lineField("a code")
      .min(1)
      .max(MAX_CODE_CHARS)
      .meta({ description: "Of the sign-in link; it works once." }),
  })
  .meta({ examples: [{ code: `bhs_${"x".repeat(43)}` }] });

export const sessionOutput = z
  .object({
    key: z.string().meta({
      description:
        "What the page asks the API with: an operator's key that was made for this session, or an ID token.",
    }),
    expiresAt: instantOutput,
  })
  .meta({
    id: "ConsoleSession",
    examples: [{ key: `bh_${"x".repeat(43)}`, expiresAt: "2026-11-24T08:40:00.000Z" }],
  });

const attempt = {
  state: z.string().max(200).meta({ description: "By which the page knows that it is its own attempt." }),
  nonce: z.string().max(200).meta({ description: "Which the ID token holds." }),
  codeVerifier: z.string().max(200).meta({ description: "Of PKCE: proves who began." }),
};
const EXAMPLE_ATTEMPT = {
  state: "dGhlIHN0YXRl",
  nonce: "dGhlIG5vbmNl",
  codeVerifier: "dGhlIGNvZGUgdmVyaWZpZXIgb2YgUEtDRQ",
};

/** The answer of `POST /console/oidc/begin`. */
export const begunSignInOutput = z
  .object({ url: z.string().meta({ description: "Where the browser goes." }), ...attempt })
  .meta({
    id: "BegunSignIn",
    examples: [
      { url: "https://id.example.com/authorize?client_id=console&response_type=code", ...EXAMPLE_ATTEMPT },
    ],
  });

/** The body of `POST /console/oidc/finish`. */
export const returnedSignInInput = z
  .strictObject({
    query: z
      .string()
      .min(1)
      .max(6_000)
      .meta({ description: "What the provider sent the browser back with, behind the `?`." }),
    ...attempt,
  })
  .meta({ examples: [{ query: "code=Y29kZQ&state=dGhlIHN0YXRl", ...EXAMPLE_ATTEMPT }] });
