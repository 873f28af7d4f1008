/** A PostgreSQL for one benchmark. Once it is up it ends with this process, however that ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../standalone/embedded-postgres.ts";
import { guardProcess } from "../test/support/process-guard.ts";

/** @param name begins the name of its folder, which is removed with it */
export async function openPostgres(opened: AsyncDisposableStack, name: string): Promise<EmbeddedPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), `${name}-`));
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDir });
  const guard = guardProcess(postgres.pid, { signal: "SIGQUIT", removeFolder: dataDir });
  opened.defer(async () => {
    await postgres.stop();
    guard.release();
  });
  return postgres;
}
