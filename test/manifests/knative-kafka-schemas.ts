/**
 * Knative's Kafka source and sink, whose schemas no package carries: written by their documentation
 * (knative.dev/docs/eventing/sources/kafka-source, …/sinks/kafka-sink, …/event-delivery), without what connects to
 * brokers by TLS or SASL.
 */
import { z } from "zod";

const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
const texts = z.record(z.string(), z.string());
const isoDuration = z.string().regex(/^P(?=\d|T\d)(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/);
const metadata = z.strictObject({
  name,
  namespace: name.optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
});
const destination = z.strictObject({
  ref: z
    .strictObject({ apiVersion: z.string(), kind: z.string(), name, namespace: name.optional() })
    .optional(),
  uri: z.string().optional(),
});
const bootstrapServers = z.array(z.string().regex(/^[\w.-]+:\d+(,[\w.-]+:\d+)*$/)).min(1);

const kafkaSource = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata,
  spec: z.strictObject({
    bootstrapServers,
    topics: z.array(z.string()).min(1),
    consumerGroup: z.string().optional(),
    consumers: z.int().min(0).optional(),
    initialOffset: z.enum(["earliest", "latest"]).optional(),
    ordering: z.enum(["ordered", "unordered"]).optional(),
    delivery: z
      .strictObject({
        deadLetterSink: destination.optional(),
        retry: z.int().min(0).optional(),
        backoffPolicy: z.enum(["linear", "exponential"]).optional(),
        backoffDelay: isoDuration.optional(),
        timeout: isoDuration.optional(),
        retryAfterMax: isoDuration.optional(),
      })
      .optional(),
    sink: destination,
    ceOverrides: z.strictObject({ extensions: texts.optional() }).optional(),
  }),
});

const kafkaSink = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata,
  spec: z.strictObject({
    bootstrapServers,
    topic: z.string(),
    numPartitions: z.int().min(1).optional(),
    replicationFactor: z.int().min(1).optional(),
    contentMode: z.enum(["binary", "structured"]).optional(),
  }),
});

export const KNATIVE_KAFKA_SCHEMAS: Record<string, z.ZodType> = {
  "sources.knative.dev/v1/KafkaSource": kafkaSource,
  "eventing.knative.dev/v1alpha1/KafkaSink": kafkaSink,
};
