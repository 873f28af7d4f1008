/**
 * Parameters that are arrays, in PostgreSQL's binary form: each element goes as it is, where an array's literal would have
 * each quote in it escaped here and taken out again there, and is read as what it is, not as text first.
 */

interface ElementType<Value> {
  oid: number;
  /** At most: to count the bytes of a short text takes as long as to write it. */
  mostBytesOf(value: Value): number;
  /** Where the next one begins. */
  write(array: Buffer, value: Value, at: number): number;
}

const HEAD_BYTES = 20;
const LENGTH_BYTES = 4;
/** In place of a length. */
const IS_NULL = -1;

function toArray<Value extends {}>(
  { oid, mostBytesOf, write }: ElementType<Value>,
  values: readonly (Value | null)[],
): Buffer {
  let most = HEAD_BYTES;
  for (const value of values) most += LENGTH_BYTES + (value === null ? 0 : mostBytesOf(value));
  const array = Buffer.allocUnsafe(most);
  const hasNulls = values.includes(null) ? 1 : 0;
  // Dimensions, whether there are nulls, the elements' type; of the one dimension its length and where it begins.
  let at = 0;
  for (const field of [1, hasNulls, oid, values.length, 1]) at = array.writeInt32BE(field, at);
  for (const value of values) {
    const begin = at + LENGTH_BYTES;
    const end = value === null ? begin : write(array, value, begin);
    array.writeInt32BE(value === null ? IS_NULL : end - begin, at);
    at = end;
  }
  return array.subarray(0, at);
}

const INT4: ElementType<number> = {
  oid: 23,
  mostBytesOf: () => 4,
  write: (array, value, at) => array.writeInt32BE(value, at),
};

const MOST_BYTES_A_UNIT = 3;
const SHORT = 4_096;
const TEXT: ElementType<string> = {
  oid: 25,
  mostBytesOf: (text) => (text.length <= SHORT ? text.length * MOST_BYTES_A_UNIT : Buffer.byteLength(text)),
  write: (array, text, at) => at + array.write(text, at),
};

const JSONB_VERSION = 1;
const JSONB: ElementType<string> = {
  oid: 3802,
  mostBytesOf: (text) => 1 + TEXT.mostBytesOf(text),
  write: (array, text, at) => TEXT.write(array, text, array.writeUInt8(JSONB_VERSION, at)),
};

const TIMESTAMPTZ: ElementType<bigint> = {
  oid: 1184,
  mostBytesOf: () => 8,
  write: (array, instant, at) => array.writeBigInt64BE(instant, at),
};

/** As PostgreSQL counts: microseconds since the year 2000. Throws for a date that is none. */
export const toInstant = (date: Date): bigint => (BigInt(date.getTime()) - EPOCH_MS) * 1_000n;
const EPOCH_MS = BigInt(Date.UTC(2000, 0));

export const toIntArray = (values: readonly (number | null)[]): Buffer => toArray(INT4, values);
export const toTextArray = (values: readonly (string | null)[]): Buffer => toArray(TEXT, values);
/** Of texts that are JSON. */
export const toJsonbArray = (values: readonly (string | null)[]): Buffer => toArray(JSONB, values);
/** Of what `toInstant` makes. */
export const toInstantArray = (values: readonly (bigint | null)[]): Buffer => toArray(TIMESTAMPTZ, values);
