/** Chapter "For models". */
import { MAX_RESULT_CHARACTERS } from "../../../api/mcp/to-result.ts";
import { held, n, type Statement } from "./statement.ts";

const TESTS = "api/mcp/mcp.test.ts";

export const MCP: Statement[] = [
  held("200, the answer to a [message](#for-models); 202 for a notification", [TESTS, "what is no message"]),
  held("anything else is a 400 bad_request", [TESTS, "what is no message of the protocol is a 400"]),
  held("a page of an origin that is not in BELLHOP_CORS_ORIGINS gets a 403 forbidden", [
    TESTS,
    "a page of another origin is refused, the operator's is not",
  ]),
  held(`A result has at most ${n(MAX_RESULT_CHARACTERS)} characters`, [TESTS, "a long answer is cut"]),
];
