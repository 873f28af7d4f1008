/** What `npm run check` asks: whether the guest's script keeps within its bytes. */
import { bundleGuest, MAX_GUEST_BYTES } from "./bundle-guest.ts";

const bytes = Buffer.byteLength(await bundleGuest());
const text = `The guest's script takes ${bytes.toLocaleString("en-US")} of ${MAX_GUEST_BYTES.toLocaleString("en-US")} bytes.`;
if (bytes > MAX_GUEST_BYTES) {
  process.stderr.write(`${text} Every isolate carries it: make it smaller.\n`);
  process.exitCode = 1;
} else process.stdout.write(`${text}\n`);
