/** Makes the console's bundle ahead of the first start. */
import { readConsoleBundle } from "./bundle.ts";

const { files } = readConsoleBundle();
process.stdout.write(`the console is ${files.size} files\n`);
