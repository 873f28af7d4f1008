/** What a failure of kafkajs means: it passes, the topic is gone, or the broker refuses us. */

/** By Kafka's protocol. Waiting does not help; somebody has to change rights, names or versions. */
const REFUSALS = new Set([
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "SASL_AUTHENTICATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "UNSUPPORTED_VERSION",
  "INVALID_GROUP_ID",
  "INVALID_TOPIC_EXCEPTION",
  "INCONSISTENT_GROUP_PROTOCOL",
  "POLICY_VIOLATION",
]);
const REFUSAL_NAMES = new Set(["KafkaJSSASLAuthenticationError", "KafkaJSServerDoesNotSupportApiKey"]);
/** kafkajs calls these final, and they are a broker that has just started, or is busy. */
const PASSING_NAMES = new Set(["KafkaJSGroupCoordinatorNotFound", "KafkaJSLockTimeout", "KafkaJSTimeout"]);

interface KafkaFault {
  name?: string;
  type?: string;
  retriable?: boolean;
}

/** The error, what it wraps, and what those are made of, outermost first. */
function listCauses(error: unknown): KafkaFault[] {
  const found = new Set<object>();
  const visit = (each: unknown) => {
    if (typeof each !== "object" || each === null || found.has(each)) return;
    found.add(each);
    const { cause, errors } = each as { cause?: unknown; errors?: unknown };
    visit(cause);
    if (Array.isArray(errors)) for (const one of errors) visit(one);
  };
  visit(error);
  return [...found];
}

/** The broker answered, and refuses what is asked: trying again does not help. */
export function isRefusal(error: unknown): boolean {
  return listCauses(error).some(({ type = "", name = "" }) => REFUSALS.has(type) || REFUSAL_NAMES.has(name));
}

export function isTopicGone(error: unknown): boolean {
  return listCauses(error).some(
    ({ type, name }) => type === "UNKNOWN_TOPIC_OR_PARTITION" || name === "KafkaJSMetadataNotLoaded",
  );
}

/** Worth another try at once: a broker that has just started, or just elected, answers so for a while. */
export function isPassing(error: unknown): boolean {
  if (isRefusal(error)) return false;
  return listCauses(error).some(({ retriable, name = "" }) => retriable === true || PASSING_NAMES.has(name));
}
