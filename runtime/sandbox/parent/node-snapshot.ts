/**
 * Whether an executor's node may start from the snapshot in its binary, which it does in a third of the time.
 *
 * All isolates of a process share one read-only heap, which comes with the snapshot of the first: node's. Those of guests
 * are made from a snapshot that refers to V8's own; were the two not laid out alike, memory would be misread, and V8
 * looks at that in debug builds alone. Node makes its snapshot from V8's, whose read-only heap is sealed by then and
 * goes into it as it stands. That it does so a test compares, byte by byte, for the build of node that the tests run on; any
 * other is not trusted with it.
 */
export const fitsNodeSnapshot = (v8Version: string, build: string): boolean =>
  v8Version === "13.6.233.17-node.53" && build === "linux-x64";

/** What an executor's node is started with for that. */
export const NODE_SNAPSHOT_FLAGS: readonly string[] = fitsNodeSnapshot(
  process.versions.v8,
  `${process.platform}-${process.arch}`,
)
  ? []
  : ["--no-node-snapshot"];
