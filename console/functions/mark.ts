/** What is wrong at a place of a source. */
export interface Mark {
  line: number;
  column: number;
  message: string;
}
