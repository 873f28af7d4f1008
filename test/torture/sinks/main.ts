/**
 * Whom tasks call: an HTTP server and a mail server in a process that no fault harms, which write down all they are sent.
 * Its first line says where they listen. Ends with its parent.
 */
import { createWriteStream } from "node:fs";
import { listenForMail } from "./mail-target.ts";
import { listenForRequests } from "./request-target.ts";

const [file] = process.argv.slice(2);
if (!file) throw new Error("The file for the records is missing.");
const stream = createWriteStream(file, { flags: "a" });
const record = (entry: object) => void stream.write(`${JSON.stringify(entry)}\n`);

const [httpPort, mailPort] = await Promise.all([listenForRequests(record), listenForMail(record)]);
console.log(JSON.stringify({ httpPort, mailPort }));
process.once("SIGTERM", () => stream.end(() => process.exit(0)));
