/** node:http: what clients make while they are loaded can be made; what would open a socket throws by its name. */
import stubs from "internal:stubs";
import events from "node:events";

/** It holds options, and refuses when a connection is asked of it. */
class Agent extends (events as unknown as new () => object) {
  defaultPort = 80;
  protocol = "http:";
  maxSockets = Number.POSITIVE_INFINITY;
  maxTotalSockets = Number.POSITIVE_INFINITY;
  maxFreeSockets = 256;
  keepAlive: boolean;
  keepAliveMsecs = 1_000;
  scheduling = "lifo";
  sockets = {};
  freeSockets = {};
  requests = {};
  totalSocketCount = 0;
  options: Record<string, unknown>;

  constructor(options: Record<string, unknown> = {}) {
    super();
    this.options = { path: null, noDelay: true, ...options };
    this.keepAlive = Boolean(options["keepAlive"]);
    if (options["maxSockets"] !== undefined) this.maxSockets = Number(options["maxSockets"]);
  }

  createConnection = stubs.stub("node:http.Agent.createConnection");
  addRequest = stubs.stub("node:http.Agent.addRequest");
  getName(): string {
    return "localhost::";
  }
  destroy(): void {}
}

export default { Agent, globalAgent: new Agent() };
