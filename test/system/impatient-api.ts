/** The API with less patience, so that tests need not wait for its own: the program is the same. */
import { EDGE_LIMITS } from "../../api/edge/edge.ts";
import { apiProgram, startApi } from "../../api/main.ts";
import { runRole } from "../../core/role.ts";

const limits = {
  ...EDGE_LIMITS,
  server: { ...EDGE_LIMITS.server, headersTimeout: 3_000, connectionsCheckingInterval: 500 },
  body: { ...EDGE_LIMITS.body, graceMs: 10_000 },
  duplex: { ...EDGE_LIMITS.duplex, graceMs: 40_000 },
  response: { ...EDGE_LIMITS.response, graceMs: 6_000 },
  lineMs: 3_000,
};

await runRole({ ...apiProgram, start: (env, signal) => startApi(env, signal, limits) });
