/** Chapter "Signatures". */
import { held, type Statement } from "./statement.ts";

const SIGNING = "api/signing/signing.test.ts";
const HTTP = "runtime/runners/http.test.ts";

export const SIGNING_STATEMENTS: Statement[] = [
  held("A worker knows of a rotation within 1 second", [
    HTTP,
    "is by each secret that is valid, of the very bytes, and the same run has the same id",
  ]),
  held("the HMAC-SHA256 of id.timestamp.body as v1,<base64>", [
    HTTP,
    "is by each secret that is valid, of the very bytes, and the same run has the same id",
  ]),
  held(
    "The previous one stays valid until the next rotation, and requests carry a signature by each of the two",
    [SIGNING, "after a rotation the one before stays valid, until the next one"],
  ),
  held("requests are not signed, and both routes are a 503 secrets_unavailable", [
    "api/secrets/no-key.test.ts",
    "without a key there are no signing secrets",
  ]),
];
