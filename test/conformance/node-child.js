/** Runs one assembled test file in node itself: the code comes as a message, the result goes back as one. */
import { runInThisContext } from "node:vm";

const send = process.send.bind(process);
const exit = process.exit.bind(process);

// What tests leave unhandled is theirs; results come through the harness.
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});

process.once("message", async (code) => {
  const module = { exports: {} };
  let result;
  try {
    runInThisContext(`(function (module, exports) {${code}\n})`)(module, module.exports);
    result = await module.exports.default();
  } catch (error) {
    result = { error: `${error}` };
  }
  send(result, () => exit(0));
});
