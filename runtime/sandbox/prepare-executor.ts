/** Makes the executor's bundle ahead of the first start: for images, whose files nobody changes later. */
import { readExecutorBundle } from "./parent/executor-bundle.ts";

process.stdout.write(`the executor is ${readExecutorBundle().program.length} characters\n`);
