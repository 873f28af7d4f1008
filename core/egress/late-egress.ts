/** The way out whose HTTP client is loaded with the first request: a worker that is woken from zero starts without it. */
import type { Egress, EgressOptions } from "./egress.ts";

export function createLateEgress(options: EgressOptions): Egress {
  let opening: Promise<Egress> | undefined;
  const open = () => {
    opening ??= import("./egress.ts").then(({ createEgress }) => createEgress(options));
    return opening;
  };
  return {
    request: async (request) => (await open()).request(request),
    stream: async (request) => (await open()).stream(request),
    async close() {
      await (await opening)?.close();
    },
  };
}
