/** `npm run model`: interleavings of the model, until one violates a guarantee. */
import { messageOf } from "../../core/errors.ts";
import { explore } from "./explore/explore.ts";
import { tellViolation } from "./explore/tell-violation.ts";
import { HELP, parseOptions, UsageError } from "./options.ts";

function main(): number {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  const beganMs = Date.now();
  const tell = ({ interleavings, moves }: { interleavings: number; moves: number }) => {
    const seconds = Math.max((Date.now() - beganMs) / 1_000, 0.001);
    const perMinute = Math.round((interleavings / seconds) * 60);
    console.log(
      `${Math.round(seconds)} s: ${interleavings} interleavings, ${moves} moves, ${perMinute} interleavings a minute`,
    );
  };
  console.log(`seed ${options.seed}${options.bug ? `, with ${options.bug}` : ""}`);
  const hasBug = (bug: string) => bug === options.bug;
  const explored = explore({ ...options, hasBug, onProgress: tell });
  tell(explored);
  const { found } = explored;
  if (!found) {
    console.log("no violation");
    return 0;
  }
  console.log(`\n${tellViolation(found, hasBug)}`);
  const bug = options.bug ? ` --bug ${options.bug}` : "";
  console.log(`\nagain: npm run model -- --interleavings 1 --seed ${found.seed}${bug}`);
  return 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
