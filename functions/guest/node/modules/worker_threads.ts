/** node:worker_threads: there is one thread, and nothing leaves it, so marks about that are kept by doing nothing. */
const ignore = () => {};

export default {
  isMainThread: true,
  parentPort: null,
  workerData: null,
  threadId: 0,
  resourceLimits: {},
  MessageChannel: globalThis.MessageChannel,
  MessagePort: globalThis.MessagePort,
  markAsUncloneable: ignore,
  markAsUntransferable: ignore,
  isMarkedAsUntransferable: () => false,
};
