/** What is written of one value, and of what it holds. Cut at its end: once it is full, nothing is added. */
export interface Sheet {
  readonly isFull: boolean;
  write(text: string): void;
  writeValue(value: unknown): void;
  /** `writeAt` writes the entry of an index; it is called in their order. */
  writeList(open: string, close: string, count: number, writeAt: (index: number) => void): void;
}
