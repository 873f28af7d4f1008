import { LARGEST_DECODER_BYTES } from "../../../../core/egress/decoder-need.ts";

const MEGABYTE = 1_048_576;
/** Room for any answer that is encoded once, beside some that take little. */
const MIN_BYTES = LARGEST_DECODER_BYTES + MEGABYTE;

/**
 * What the decoders of a run may hold together: as much as its isolate may. Where that is less than one of them can take,
 * one; the run's other answers wait for it.
 */
export function decoderBytesOf(memoryMb: number): number {
  return Math.max(memoryMb * MEGABYTE, MIN_BYTES);
}
