/** Values that an executor's messages are made of, as they may come from one that was taken over. */

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Base64 of at most so many bytes. */
export function isBase64Chunk(value: unknown, maxBytes: number): value is string {
  return (
    typeof value === "string" &&
    value.length <= Math.ceil(maxBytes / 3) * 4 &&
    value.length % 4 === 0 &&
    /^[A-Za-z0-9+/]*={0,2}$/.test(value) &&
    Buffer.byteLength(value, "base64") <= maxBytes
  );
}
