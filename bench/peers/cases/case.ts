import type { Result } from "../rounds.ts";

export interface CaseOptions {
  rounds: number;
  /** Items of a round, where the case has no reason for fewer. */
  runs: number;
  /** With Bellhop on Kafka besides. */
  kafka: boolean;
  idleSeconds: number;
  /** Where a broker keeps its log. */
  kafkaDir: string;
  tell(line: string): void;
}

export interface PeerCase {
  /** What `--only` calls it. */
  name: string;
  purpose: string;
  /** What it opens is closed by `opened`. */
  run(opened: AsyncDisposableStack, options: CaseOptions): Promise<Result[]>;
}
