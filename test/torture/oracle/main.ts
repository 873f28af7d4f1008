/**
 * The oracle: a program of its own that knows nothing of the product's code. It reads the evidence and prints what it
 * counted and every violation, as one JSON object. `node test/torture/oracle/main.ts DATABASE_URL FOLDER`
 */
import { judge } from "./judge.ts";
import { readEvidence } from "./read-evidence.ts";

const [databaseUrl, folder] = process.argv.slice(2);
if (!databaseUrl || !folder) {
  console.error("The database's URL and the folder of the records are needed.");
  process.exit(2);
}
console.log(JSON.stringify(judge(await readEvidence(databaseUrl, folder))));
