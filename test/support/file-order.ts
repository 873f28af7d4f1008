/**
 * In which order files are started. Those of whole systems mostly wait, for processes to start and for time to pass; the
 * others compute. Each kind by itself leaves the processors idle or quarrels about them, so they are mixed evenly.
 */
const WAITING = ["test/system/", "test/kafka/", "test/console/"];

export function orderFiles(files: readonly string[]): string[] {
  const waits = (file: string) => WAITING.some((folder) => file.startsWith(folder));
  const waiting = files.filter(waits);
  const computing = files.filter((file) => !waits(file));
  const placed = [...placeEvenly(waiting), ...placeEvenly(computing)];
  // The sort is stable: where both kinds are due, the one that waits, which takes longer, is first.
  return placed.sort((one, other) => one.place - other.place).map(({ file }) => file);
}

function placeEvenly(files: string[]): { file: string; place: number }[] {
  return files.map((file, index) => ({ file, place: index / files.length }));
}
