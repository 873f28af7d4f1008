/** Every setting of every role: its unit, default and meaning, in one place. Read once, at the start. */
import type { BlockList } from "node:net";
import { availableParallelism } from "node:os";
import { RECEIVE_MODES } from "../domain/lane.ts";
import type { TokenRule } from "../domain/token-grants.ts";
import { parseDuration } from "../duration.ts";
import { BellhopError } from "../errors.ts";
import { parseProxies } from "../proxies.ts";
import { parseSecretKeys } from "../secrets/sealer.ts";
import { isTrustworthyUrl } from "./issuer-url.ts";
import { parseOtlpEndpoint, parsePairs } from "./otel-values.ts";
import { parseTokenRules } from "./token-rules.ts";
import { defaultWarmMemoryMb } from "./warm-memory.ts";

const MAX_DURATION_MS = 86_400_000;

export const DEFAULT_CLIENT_SCOPES = "openid";

const NEEDED = "(needed)";

interface Definition<T> {
  help: string;
  /** Shown by --help; undefined: none. */
  shown?: string;
  /** Whether it can be none: then an empty value means that, whatever the default. */
  canBeNone?: true;
  parse(text: string | undefined): T;
}

const text = (help: string): Definition<string | undefined> => ({
  help,
  canBeNone: true,
  parse: (given) => given,
});
const textOr = (help: string, fallback: string): Definition<string> => ({
  help,
  shown: fallback,
  parse: (given) => given ?? fallback,
});
/** As text: `parseNetworks` reads it. */
const networks = (help: string): Definition<string> => ({
  help,
  canBeNone: true,
  parse: (given) => given ?? "",
});
const required = (help: string): Definition<string> => ({
  help,
  shown: NEEDED,
  parse(given) {
    if (given === undefined) throw new Error("is required but not set");
    return given;
  },
});
const databaseUrl = (help: string): Definition<string> => ({
  ...required(help),
  parse(given) {
    if (given === undefined) throw new Error("is required but not set");
    return parseDatabaseUrl(given);
  },
});
const directUrl = (help: string): Definition<string | undefined> => ({
  help,
  canBeNone: true,
  parse: (given) => (given === undefined ? undefined : parseDatabaseUrl(given)),
});
function parseDatabaseUrl(given: string): string {
  // The value may hold a password: it is never quoted.
  if (!/^postgres(ql)?:$/.test(URL.parse(given)?.protocol ?? "")) throw new Error("is not a postgres:// URL");
  return given;
}
const apiKeys = (help: string): Definition<string[]> => ({
  help,
  canBeNone: true,
  parse(given) {
    const keys = given?.split(",").map((key) => key.trim()) ?? [];
    // A function's URL tells by the beginning what must not be shown to the function.
    if (!keys.every((key) => /^bh_\S{16,197}$/.test(key)))
      throw new Error(
        'must be bh_ plus 16 to 197 characters, without spaces and commas; "bh_$(openssl rand -hex 24)" in a shell generates a good one',
      );
    return [...new Set(keys)];
  },
});
const secretKeys = (help: string): Definition<Buffer[] | undefined> => ({
  help,
  canBeNone: true,
  parse: (given) => (given === undefined ? undefined : parseSecretKeys(given)),
});
const publicUrl = (help: string): Definition<string | undefined> => ({
  help,
  canBeNone: true,
  parse(given) {
    if (given === undefined) return undefined;
    const url = URL.parse(given);
    const isPlain = url && /^https?:$/.test(url.protocol) && !/[?#]/.test(given) && url.username === "";
    if (!isPlain || url.password !== "")
      throw new Error("must be an http:// or https:// URL without credentials, query and fragment");
    return url.href.replace(/\/+$/, "");
  },
});
/** As it is written: tokens name it so, with a slash at its end or without. */
const issuerUrl = (help: string): Definition<string | undefined> => ({
  help,
  canBeNone: true,
  parse(given) {
    if (given !== undefined && (!isTrustworthyUrl(given) || /[?#]/.test(given)))
      throw new Error(
        "must be an https:// URL without credentials, query and fragment; http:// is accepted only for this machine, such as http://127.0.0.1:9000",
      );
    return given;
  },
});
const tokenRules = (help: string): Definition<TokenRule[]> => ({
  help,
  canBeNone: true,
  parse: (given) => (given === undefined ? [] : parseTokenRules(given)),
});
const list = (help: string): Definition<string[]> => ({
  help,
  canBeNone: true,
  parse: (given) =>
    (given ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
});
const origins = (help: string): Definition<string[]> => ({
  ...list(help),
  parse(given) {
    const origins = list(help).parse(given);
    const isAny = origins.includes("*");
    if (isAny && origins.length > 1) throw new Error("must be only *, or origins without it");
    const wrong = origins.find((each) => each !== "*" && !isOrigin(each));
    if (wrong !== undefined)
      throw new Error(
        `must be origins (scheme, host and port, without a trailing slash): ${JSON.stringify(wrong)} is not one`,
      );
    return origins;
  },
});
const isOrigin = (text: string) => /^https?:/.test(text) && URL.parse(text)?.origin === text;
const otlpEndpoint = (help: string): Definition<string | undefined> => ({
  help,
  canBeNone: true,
  parse: (given) => (given === undefined ? undefined : parseOtlpEndpoint(given)),
});
const pairs = (help: string): Definition<Record<string, string>> => ({
  help,
  canBeNone: true,
  parse: (given) => parsePairs(given ?? ""),
});
const proxies = (help: string): Definition<BlockList> => ({
  help,
  canBeNone: true,
  parse: (given) => parseProxies(given ?? ""),
});
const share = (help: string, fallback: number): Definition<number> => ({
  help,
  shown: String(fallback),
  parse(given) {
    const value = given === undefined ? fallback : Number(given);
    if (!(value >= 0 && value <= 1)) throw new Error("must be a number from 0 to 1");
    return value;
  },
});
const whole = (help: string, fallback: number, min: number, max: number): Definition<number> => ({
  help,
  shown: String(fallback),
  parse(given) {
    const value = given === undefined ? fallback : Number(given);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new Error(`must be a whole number from ${min} to ${max}`);
    return value;
  },
});
const duration = (help: string, fallback: string, minMs: number): Definition<number> => ({
  help,
  shown: fallback,
  parse(given) {
    const ms = parseDuration(given ?? fallback);
    if (ms === undefined || ms < minMs || ms > MAX_DURATION_MS)
      throw new Error(`must be a duration such as "10s", from ${minMs} ms to a day`);
    return ms;
  },
});
const choice = <T extends string>(help: string, options: readonly T[], fallback: T): Definition<T> => ({
  help,
  shown: fallback,
  parse(given) {
    const value = (given ?? fallback) as T;
    if (!options.includes(value)) throw new Error(`must be one of ${options.join(", ")}`);
    return value;
  },
});

const SETTINGS = {
  DATABASE_URL: databaseUrl("PostgreSQL 15 or later, as postgres://user:password@host:port/database"),
  DATABASE_DIRECT_URL: directUrl(
    "if DATABASE_URL points to a pooler in transaction mode: the same database without the pooler, for the few connections that need a session",
  ),
  KAFKA_BROKERS: list("Kafka brokers, host:port, comma-separated; none: Postgres is the queue"),
  KAFKA_TOPIC_PREFIX: textOr("the prefix of topic and group names", "bellhop"),
  KAFKA_PARTITIONS: whole("partitions of each topic that Bellhop creates", 12, 1, 1_000),
  PORT: whole("the role's HTTP port; 0 picks a free one and the log says which", 8080, 0, 65_535),
  HOST: textOr("the address the role's HTTP port is bound to", "0.0.0.0"),
  LOG_LEVEL: choice(
    "the lowest level that is logged",
    ["debug", "info", "warn", "error", "silent"] as const,
    "info",
  ),
  LOG_FAILED_RUNS: choice(
    "how failed runs are logged: as JSON like everything else, or as text for a person at a terminal",
    ["json", "text"] as const,
    "json",
  ),
  EGRESS_ALLOW: networks("private networks that tasks may reach, comma-separated, such as 10.1.0.0/16"),
  EGRESS_DENY: networks(
    "networks that tasks, functions and mail never reach, even if public or in EGRESS_ALLOW, comma-separated",
  ),
  EMAIL_URL: text(
    "the mail provider: smtp://user:pass@host:587, smtps://…, resend://KEY, postmark://KEY, sendgrid://KEY",
  ),
  EMAIL_FROM: text("the sender of e-mails that name none"),
  EMAIL_CAPTURE: choice(
    "whether e-mails are stored for GET /v1/mailbox instead of sent; EMAIL_URL must then be unset",
    ["false", "true"] as const,
    "false",
  ),
  BELLHOP_API_KEY: apiKeys(
    "the operator's key, for every namespace: bh_ plus at least 16 characters; several, comma-separated: each one is valid",
  ),
  BELLHOP_SECRETS_KEY: secretKeys(
    "the key that encrypts secrets: 32 bytes as base64 or hex; several, comma-separated: the first encrypts, all of them decrypt",
  ),
  BELLHOP_PUBLIC_URL: publicUrl(
    "the API's public address, such as https://bellhop.example.com; none: URLs in responses are paths, and servers that tasks call cannot complete a run later",
  ),
  BELLHOP_CORS_ORIGINS: origins(
    "origins whose pages may call the API from a browser, such as https://app.example.com, comma-separated, or * for any; none: no pages may",
  ),
  BELLHOP_NPM_REGISTRY: publicUrl(
    "the registry for packages in an upload's package-lock.json, such as https://registry.npmjs.org; none: such uploads are refused",
  ),
  OIDC_ISSUER: issuerUrl(
    "the OpenID provider whose tokens (JWTs) the API accepts in addition to keys, exactly as in the tokens' iss, such as https://id.example.com; none: only keys",
  ),
  OIDC_AUDIENCE: list("audiences of such tokens, comma-separated; a token's aud must contain one of them"),
  OIDC_GRANTS: tokenRules(
    'what tokens give access to, as JSON: rules such as [{"claims": {"groups": "billing"}, "namespace": "billing", "scopes": ["read", "deploy"]}]',
  ),
  OIDC_NAMESPACE_CLAIM: text(
    "the claim that lists a token's namespaces, or a JSON Pointer to it; none: only OIDC_GRANTS decides",
  ),
  OIDC_SCOPES_CLAIM: text("the claim that lists such a token's scopes; never operator"),
  OIDC_CLIENT_ID: text(
    "the console's client id at the OpenID provider, so that people can sign in there; none: they sign in with a key. ID tokens for this client are accepted too",
  ),
  OIDC_CLIENT_SECRET: text("that client's secret, if the provider issued one"),
  OIDC_CLIENT_SCOPES: textOr(
    "the scopes that the console requests, so that ID tokens carry the claims that OIDC_GRANTS names",
    DEFAULT_CLIENT_SCOPES,
  ),
  OIDC_PROVIDER_NAME: text("the provider's name in the console; none: its host"),
  TRUSTED_PROXIES: proxies(
    "proxies whose X-Forwarded-For is trusted for the client's address, comma-separated, such as 10.0.0.0/8",
  ),
  BELLHOP_DATA_DIR: textOr("where npm start keeps its database and key", ".bellhop"),
  BELLHOP_RETENTION_DAYS: whole("days to keep finished runs, their logs and finished tasks", 30, 1, 3_650),
  BELLHOP_AUDIT_RETENTION_DAYS: whole("days to keep the audit log", 400, 1, 3_650),
  WORKER_ADDRESS: text(
    "where the API reaches this worker, host:port; default: its HOST, or the machine's first external address, and its PORT",
  ),
  WORKER_SLOTS: whole("how many runs a worker executes at once", 100, 1, 10_000),
  WORKER_WARM_MEMORY_MB: whole(
    "memory for idle isolates that wait for their function's next call, in MB",
    defaultWarmMemoryMb(),
    16,
    1_000_000,
  ),
  WORKER_LEASE: duration("how long a worker may be silent before its runs go to other workers", "15s", 500),
  WORKER_SANDBOX_WALLS: choice(
    "whether a worker refuses to start if a wall around its executors is missing",
    ["prefer", "require"] as const,
    "prefer",
  ),
  WORKER_DRAIN: duration("how long a stopping worker waits for its runs before it gives them back", "25s", 0),
  WORKER_RECEIVE: choice(
    "how a worker receives runs: queue; long-runs, the topic of long runs; events, CloudEvents by POST / on its PORT. The last two need Kafka",
    RECEIVE_MODES,
    "queue",
  ),
  WORKER_EVENTS_WINDOW: duration(
    "runs that may take longer are not accepted from events: their bell goes to the topic of long runs",
    "9m",
    1_000,
  ),
  WORKERS_MIN: whole("how many worker processes an autoscaler keeps when idle", 0, 0, 1_000),
  WORKERS_MAX: whole(
    "the most worker processes an autoscaler wants, not counting those that are finishing their last runs",
    availableParallelism(),
    1,
    1_000,
  ),
  WORKERS_IDLE_AFTER: duration("idle time before the last worker exits", "30s", 0),
  WORKERS_AHEAD: duration("how long before a known instant its workers are started", "2s", 0),
  WORKERS_POD_DELETION_COST: choice(
    "whether a scheduler in Kubernetes marks the pods of busy workers, so that scaling down removes idle ones first",
    ["false", "true"] as const,
    "false",
  ),
  CALL_WORKER_WAIT: duration(
    "how long a call of a function's URL waits for a worker to start, if none is running, before it is queued; 0s: not at all",
    "30s",
    0,
  ),
  FUNCTION_MAX_MEMORY_MB: whole("the most memory a function may ask for, in MB", 512, 16, 1_024),
  FUNCTION_MAX_CPU: duration("the most processor time a run of a function may ask for", "5m", 1),
  FUNCTION_MAX_WALL: duration("the most wall time a run of a function may ask for", "15m", 1),
  FUNCTION_MAX_CONCURRENCY: whole(
    "the highest limit of concurrent runs a function may set",
    1_000,
    1,
    100_000,
  ),
  FUNCTION_MAX_LOG_LINES: whole("the most log lines a run of a function may ask for", 1_000, 0, 10_000),
  FUNCTION_MAX_RESULT_BYTES: whole(
    "the largest result a function may ask for, in bytes of JSON",
    1_000_000,
    2,
    1_000_000,
  ),
  FUNCTION_MAX_KV_KEYS: whole("the most keys a function may store in ctx.kv", 10_000, 0, 1_000_000),
  FUNCTION_MAX_KV_BYTES: whole(
    "how much a function may store in ctx.kv, in bytes of keys and values",
    10_000_000,
    0,
    1_000_000_000,
  ),
  FUNCTION_MAX_SUBREQUESTS: whole(
    "the most outgoing requests a run of a function may ask for",
    1_000,
    0,
    100_000,
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint(
    "the OpenTelemetry collector that receives traces, http://host:4318; none: nothing is traced",
  ),
  OTEL_EXPORTER_OTLP_HEADERS: pairs(
    "headers for the collector, name=value, comma-separated, percent-encoded",
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: choice("how traces are sent", ["http/json"] as const, "http/json"),
  OTEL_SERVICE_NAME: text(
    "the service name in spans; default: bellhop-api, bellhop-scheduler, bellhop-worker",
  ),
  OTEL_RESOURCE_ATTRIBUTES: pairs("further resource attributes of spans, name=value, comma-separated"),
  OTEL_TRACES_SAMPLER: choice(
    "which traces are recorded",
    [
      "always_on",
      "always_off",
      "traceidratio",
      "parentbased_always_on",
      "parentbased_always_off",
      "parentbased_traceidratio",
    ] as const,
    "parentbased_always_on",
  ),
  OTEL_TRACES_SAMPLER_ARG: share("the share of traces that the ratio samplers record", 1),
};

export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
export type Settings = { [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]["parse"]> };

/** Ours by their first word, so a stranger among them is a typo. */
const OWN_PREFIX = /^(BELLHOP|EGRESS|EMAIL|FUNCTION|OIDC|WORKERS?)_/;
/** What Kubernetes injects for services of these names. */
const INJECTED = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;
const TEST_ONLY = /^BELLHOP_TEST_/;

/** By OpenTelemetry's own rule an empty variable of its is as good as none. */
const IS_OPEN_TELEMETRY = /^OTEL_/;

/** What is to be parsed; undefined: none, or the general default. Throws where it is empty and cannot be none. */
function chooseValue(
  name: SettingName,
  env: NodeJS.ProcessEnv,
  fallback: string | undefined,
): string | undefined {
  const given = env[name]?.trim();
  if (given === undefined || (given === "" && IS_OPEN_TELEMETRY.test(name))) return fallback;
  if (given !== "") return given;
  const { canBeNone, shown }: Definition<unknown> = SETTINGS[name];
  if (canBeNone) return undefined;
  const standard = fallback ?? shown;
  throw new Error(
    standard === NEEDED ? "is required but empty" : `is empty; leave it out for its default, ${standard}`,
  );
}

/** Reads the settings a role uses. Throws `invalid_setting` with a sentence for the first that is wrong or unknown. */
export function readSettings<Name extends SettingName>(
  names: readonly Name[],
  env: NodeJS.ProcessEnv,
  defaults: Partial<Record<Name, string>> = {},
): Pick<Settings, Name> {
  refuseUnknown(env);
  const settings: Record<string, unknown> = {};
  for (const name of names) {
    try {
      settings[name] = SETTINGS[name].parse(chooseValue(name, env, defaults[name]));
    } catch (error) {
      throw new BellhopError(
        "invalid_setting",
        500,
        `The setting ${name} ${(error as Error).message}. It is: ${SETTINGS[name].help}.`,
      );
    }
  }
  return settings as Pick<Settings, Name>;
}

function refuseUnknown(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) {
    if (name in SETTINGS || INJECTED.test(name) || TEST_ONLY.test(name)) continue;
    const near = SETTING_NAMES.find((candidate) => candidate.length >= 8 && isOneEditAway(candidate, name));
    if (!near && !OWN_PREFIX.test(name)) continue;
    const hint = near ? `did you mean ${near}?` : `the settings are ${SETTING_NAMES.join(", ")}.`;
    throw new BellhopError("invalid_setting", 500, `There is no setting ${name}; ${hint}`);
  }
}

/** One letter more, less, other or swapped. */
function isOneEditAway(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [restA, restB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return (
    Math.max(restA.length, restB.length) <= 1 ||
    (restA.length === 2 && restA[0] === restB[1] && restA[1] === restB[0])
  );
}

/** It is set, and to nothing: where "none" and "not told" are not the same. */
export function isSetToNone(name: SettingName, env: NodeJS.ProcessEnv): boolean {
  return env[name]?.trim() === "";
}

/** The lines `--help` prints for these settings. */
export function describeSettings(
  names: readonly SettingName[],
  defaults: Partial<Record<SettingName, string>> = {},
): string {
  return names
    .map((name) => {
      const definition: Definition<unknown> = SETTINGS[name];
      const shown = defaults[name] ?? definition.shown;
      return `  ${name.padEnd(27)} ${definition.help}${shown ? ` [${shown}]` : ""}`;
    })
    .join("\n");
}
