/** `npm run migrate -- up|down`: the roles migrate by themselves; this is for those who want it apart. */
import { readSettings } from "../config/settings.ts";
import { messageOf } from "../errors.ts";
import { openStore } from "./database.ts";
import { migrateDown, migrateUp } from "./migrate.ts";

async function main(): Promise<void> {
  const [direction = "--help"] = process.argv.slice(2);
  const run = { up: migrateUp, down: migrateDown }[direction];
  if (!run) {
    process.stdout.write(
      "npm run migrate -- up      bring the schema of DATABASE_URL up to date\nnpm run migrate -- down    take the newest migration back, with its data\n",
    );
    process.exitCode = direction === "--help" ? 0 : 1;
    return;
  }
  const { DATABASE_URL, DATABASE_DIRECT_URL } = readSettings(
    ["DATABASE_URL", "DATABASE_DIRECT_URL"],
    process.env,
  );
  const store = openStore({
    databaseUrl: DATABASE_DIRECT_URL ?? DATABASE_URL,
    applicationName: "bellhop-migrate",
    maxConnections: 1,
    onError: () => {},
  });
  try {
    const done = await run(store, { report: (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write(done.length > 0 ? `${direction}: ${done.join(", ")}\n` : "Nothing to do.\n");
  } finally {
    await store.close();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
