/** What the harness writes down for the oracle: files of JSON lines in one folder. */
import { createWriteStream, type WriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";

export const RECORD_FILES = {
  answers: "answers.jsonl",
  faults: "faults.jsonl",
  requests: "requests.jsonl",
  samples: "samples.jsonl",
} as const;
type RecordFile = keyof typeof RECORD_FILES;

export interface Records {
  folder: string;
  pathOf(file: RecordFile): string;
  add(file: RecordFile, record: object): void;
  /** What holds for the whole run, once it is known. */
  conclude(facts: object): Promise<void>;
  close(): Promise<void>;
}

export function openRecords(folder: string): Records {
  const streams = new Map<RecordFile, WriteStream>();
  const pathOf = (file: RecordFile) => join(folder, RECORD_FILES[file]);
  return {
    folder,
    pathOf,
    add(file, record) {
      let stream = streams.get(file);
      if (!stream) {
        stream = createWriteStream(pathOf(file), { flags: "a" });
        streams.set(file, stream);
      }
      stream.write(`${JSON.stringify(record)}\n`);
    },
    conclude: (facts) => writeFile(join(folder, "facts.json"), JSON.stringify(facts)),
    async close() {
      for (const stream of streams.values()) {
        stream.end();
        await finished(stream);
      }
      streams.clear();
    },
  };
}
