/** Answers whose decoders hold what no limit of a run counts: a brotli window of 16 MB for 40 bytes. */
import type { Attack } from "../attack.ts";

const RUNS = 6;
const FETCHES = 16;
/** What all decoders of a worker may hold together, and as much again for what it keeps of freed memory and buffers. */
const DECODERS_MB = 128;
const REST_MB = 72;
const pause = "const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));";

const unread = (coding: string): Attack => ({
  name: `${2 * RUNS} runs of ${FETCHES} answers each, ${coding}, that nobody reads`,
  source: `${pause} export default async (url: string) => { const all = await Promise.all(Array.from({ length: ${FETCHES} }, () => fetch(url))); await pause(800); return all.length; };`,
  inputs: ({ allowed }) => [`${allowed}/packed?${encodeURIComponent(coding)}`],
  crowd: RUNS,
  limits: { memoryMb: 16, wallMs: 15_000 },
  expect: { answer: { equal: FETCHES }, workerMb: REST_MB },
});

/** Read to their first chunk, as far as they get there, and left open. */
const begun = (coding: string): Attack => ({
  name: `${2 * RUNS} runs of ${FETCHES} answers each, ${coding}, begun and left open`,
  source: `${pause} export default async (url: string) => { const kept: unknown[] = []; const begin = async () => { const reader = (await fetch(url)).body!.getReader(); await reader.read(); kept.push(reader); }; await Promise.race([Promise.all(Array.from({ length: ${FETCHES} }, () => begin().catch(() => {}))), pause(1_200)]); await pause(300); return "held"; };`,
  inputs: ({ allowed }) => [`${allowed}/packed?${encodeURIComponent(coding)}`],
  crowd: RUNS,
  limits: { memoryMb: 16, wallMs: 15_000 },
  expect: { answer: { equal: "held" }, workerMb: DECODERS_MB + REST_MB },
});

export const windows: Attack[] = [
  unread("br"),
  ...["br", "zstd", "gzip", "deflate", "br, br", "gzip, br"].map(begun),
];
