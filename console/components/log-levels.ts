/** From which level on lines of a log are shown: what the API takes as `level`, and how it is said. */
export const LEVELS = [
  ["", "all"],
  ["info", "info and above"],
  ["warn", "warnings and errors"],
  ["error", "errors"],
] as const;

export type Level = (typeof LEVELS)[number][0];
