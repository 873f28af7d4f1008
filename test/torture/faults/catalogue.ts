/** Every kind of fault. */
import { callPartition, delayed, halfOpen, loss, partition, terminate } from "./connections.ts";
import { diskFull, postgresCrash, postgresFailover, postgresFreeze, postgresRestart } from "./database.ts";
import { executor } from "./executors.ts";
import type { Fault, FaultKind } from "./fault.ts";
import { kafkaCrash, kafkaEmpty, kafkaFreeze, kafkaPartition, kafkaTopics } from "./kafka.ts";
import { poolerRestart } from "./pooler.ts";
import { clock, kill, outOfMemory, stop, term } from "./processes.ts";

export const CATALOGUE: Record<FaultKind, Fault> = {
  kill,
  stop,
  term,
  "out-of-memory": outOfMemory,
  clock,
  executor,
  terminate,
  partition,
  "half-open": halfOpen,
  delay: delayed,
  loss,
  "call-partition": callPartition,
  "pooler-restart": poolerRestart,
  "postgres-crash": postgresCrash,
  "postgres-restart": postgresRestart,
  "postgres-freeze": postgresFreeze,
  "postgres-failover": postgresFailover,
  "disk-full": diskFull,
  "kafka-crash": kafkaCrash,
  "kafka-empty": kafkaEmpty,
  "kafka-freeze": kafkaFreeze,
  "kafka-partition": kafkaPartition,
  "kafka-topics": kafkaTopics,
};

export function chooseFaults(kinds: readonly FaultKind[]): Partial<Record<FaultKind, Fault>> {
  return Object.fromEntries(kinds.map((kind) => [kind, CATALOGUE[kind]]));
}
