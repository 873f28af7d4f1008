/** For who follows with no limit to how many: streams that nobody counts. */
import type { OpenStreams, StreamOwner } from "../logs/open-streams.ts";

export const UNCOUNTED_STREAMS: OpenStreams = { open: async () => () => {}, close: async () => {} };

export const STREAM_OWNER: StreamOwner = {
  ...{ keyId: "key", namespaceId: "namespace", scopes: ["read"], limits: null },
};
