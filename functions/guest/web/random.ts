/** Randomness of the system; `Math.random` of a snapshot repeats itself in every isolate. */
import { host } from "../host.ts";

const POOL_BYTES = 1_024;
let pool = new Uint8Array(0);
let used = 0;

/** At most 65,536 bytes. */
export function fillRandom(target: Uint8Array): void {
  const count = target.byteLength;
  if (count > POOL_BYTES / 4) {
    target.set(host().randomBytes(count));
    return;
  }
  if (used + count > pool.byteLength) {
    pool = host().randomBytes(POOL_BYTES) as Uint8Array<ArrayBuffer>;
    used = 0;
  }
  for (let i = 0; i < count; i++) {
    target[i] = pool[used]!;
    pool[used++] = 0;
  }
}

const HEX: string[] = [];
for (let i = 0; i < 256; i++) HEX[i] = (i + 256).toString(16).slice(1);

/** A random UUID, version 4. */
export function makeUuid(): string {
  const bytes = new Uint8Array(16);
  fillRandom(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let text = "";
  for (let i = 0; i < 16; i++)
    text += (i === 4 || i === 6 || i === 8 || i === 10 ? "-" : "") + HEX[bytes[i]!]!;
  return text;
}
