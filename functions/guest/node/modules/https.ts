/** node:https, as node:http. */
import http from "node:http";

class Agent extends (http.Agent as unknown as new () => object) {
  defaultPort = 443;
  protocol = "https:";
}

export default { Agent, globalAgent: new Agent() };
