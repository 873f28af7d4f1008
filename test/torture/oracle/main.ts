/**
 * The oracle: a program of its own that knows nothing of the product's code. It collects what stands in the database, where
 * one is named, into the folder of the records, and prints what it counts there and every violation, as one JSON object.
 * `node test/torture/oracle/main.ts FOLDER [DATABASE_URL]`
 */
import { collectTrail } from "./collect-trail.ts";
import { judge } from "./judge.ts";
import { readEvidence } from "./read-evidence.ts";

const [folder, databaseUrl] = process.argv.slice(2);
if (!folder) {
  console.error("The folder of the records is needed.");
  process.exit(2);
}
if (databaseUrl) await collectTrail(databaseUrl, folder);
console.log(JSON.stringify(judge(await readEvidence(folder))));
