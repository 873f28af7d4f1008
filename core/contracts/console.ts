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
      .meta({ description: "The code from the sign-in link; it works once." }),
  })
  .meta({ examples: [{ code: `bhs_${"x".repeat(43)}` }] });

export const sessionOutput = z
  .object({
    key: z.string().meta({
      description:
        "What the page sends to the API: an operator's key created for this session, or an ID token.",
    }),
    expiresAt: instantOutput,
  })
  .meta({
    id: "ConsoleSession",
    examples: [{ key: `bh_${"x".repeat(43)}`, expiresAt: "2026-11-24T08:40:00.000Z" }],
  });

const attempt = {
  state: z.string().max(200).meta({ description: "Lets the page recognize its own attempt." }),
  nonce: z.string().max(200).meta({ description: "The ID token must contain it." }),
  codeVerifier: z.string().max(200).meta({ description: "The PKCE verifier: proves who began." }),
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
      .meta({ description: "The query with which the provider sent the browser back, without the `?`." }),
    ...attempt,
  })
  .meta({ examples: [{ query: "code=Y29kZQ&state=dGhlIHN0YXRl", ...EXAMPLE_ATTEMPT }] });
