/** For tests: a worker whose executor does not stop by itself. Says the executor's pid on stdout. */
import { startSandbox } from "../sandbox-fixture.ts";

const { begin, pool } = startSandbox();
const run = await begin(
  "export default () => { console.log('spinning'); let b = 3n; for (;;) b = b * b; };",
  { wallMs: 60_000 },
);
await run.logged("spinning");
process.stdout.write(`${pool.pidOf("ns")}\n`);
