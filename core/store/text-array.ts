/** OID of text. */
const TEXT = 25;
/** In place of a length. */
const IS_NULL = -1;

/**
 * A parameter of the type text[], in PostgreSQL's binary form: each text goes as it is, where an array's literal would have
 * each quote in it escaped here and taken out again there.
 */
export function toTextArray(texts: readonly (string | null)[]): Buffer {
  const bytes = texts.map((text) => (text === null ? IS_NULL : Buffer.byteLength(text)));
  const array = Buffer.allocUnsafe(20 + bytes.reduce((sum, length) => sum + 4 + Math.max(length, 0), 0));
  const hasNulls = texts.includes(null) ? 1 : 0;
  // Dimensions, whether there are nulls, the elements' type; of the one dimension its length and where it begins.
  let at = 0;
  for (const field of [1, hasNulls, TEXT, texts.length, 1]) at = array.writeInt32BE(field, at);
  for (const [index, text] of texts.entries()) {
    at = array.writeInt32BE(bytes[index]!, at);
    if (text !== null) at += array.write(text, at);
  }
  return array;
}
