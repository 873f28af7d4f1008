/** A PgBouncer in transaction mode before the database, wherever that has moved to. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type PgBouncer, startPgBouncer } from "../../support/pgbouncer.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { providePgBouncer } from "../../tools/pgbouncer.ts";
import type { TorturedPostgres } from "./postgres.ts";

export interface Pooler extends PgBouncer {
  /** With its way to the database, for good. */
  close(): Promise<void>;
}

const POOL_SIZE = 20;
/** A server that was away is asked again after a second: fifteen, as by default, would be PgBouncer's outage, not ours. */
const SETTINGS = { server_login_retry: 1, ignore_startup_parameters: "extra_float_digits" };

/** Undefined where there is no PgBouncer, and none can be fetched. */
export async function startPooler(folder: string, postgres: TorturedPostgres): Promise<Pooler | undefined> {
  const tool = await providePgBouncer();
  if ("skip" in tool) return undefined;
  const own = join(folder, "pooler");
  await mkdir(own);
  await chmod(own, 0o755);
  const way = await startTcpProxy(postgres.port);
  postgres.onMove((port) => way.redirect(port));
  const databaseUrl = Object.assign(new URL(postgres.url), { port: String(way.port) }).href;
  const pooler = await startPgBouncer(tool, {
    ...{ databaseUrl, mode: "transaction", poolSize: POOL_SIZE, folder: own },
    settings: { ...SETTINGS, ...(tool.version < 1.21 ? {} : { max_prepared_statements: 100 }) },
  });
  return {
    ...pooler,
    async close() {
      await pooler.kill();
      await way.close();
    },
  };
}
