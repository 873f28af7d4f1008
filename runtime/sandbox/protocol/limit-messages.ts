/**
 * What a run is told of a limit that it passed. Imported by both sides, since either may find it out; it may import
 * nothing of the project.
 */
export const LIMIT_MESSAGES = {
  wall: ({ wallMs }: { wallMs: number }) => `The function did not finish within its ${wallMs} ms.`,
  cpu: ({ cpuMs }: { cpuMs: number }) => `The function used more than its ${cpuMs} ms of processor time.`,
  memory: ({ memoryMb }: { memoryMb: number }) => `The function used more than its ${memoryMb} MB of memory.`,
} as const;
