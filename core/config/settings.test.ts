import assert from "node:assert/strict";
import { test } from "node:test";
import { BellhopError } from "../errors.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "./function-caps.ts";
import { describeSettings, readSettings, type SettingName } from "./settings.ts";

/** The sentence a role stops with. */
function refusal(names: SettingName[], env: NodeJS.ProcessEnv): string {
  try {
    readSettings(names, env);
  } catch (error) {
    assert.ok(error instanceof BellhopError);
    assert.equal(error.code, "invalid_setting");
    return error.message;
  }
  assert.fail("the settings were accepted");
}

test("what is not set has its default", () => {
  const settings = readSettings(
    ["PORT", "HOST", "LOG_LEVEL", "KAFKA_BROKERS", "WORKER_SLOTS", "WORKER_LEASE", "EMAIL_URL"],
    {},
  );
  assert.deepEqual(settings, {
    PORT: 8080,
    HOST: "0.0.0.0",
    LOG_LEVEL: "info",
    KAFKA_BROKERS: [],
    WORKER_SLOTS: 100,
    WORKER_LEASE: 15_000,
    EMAIL_URL: undefined,
  });
});

test("given values are trimmed and parsed", () => {
  const env = {
    PORT: " 0 ",
    KAFKA_BROKERS: "a:9092, b:9092,,",
    WORKER_LEASE: "PT1M",
    LOG_LEVEL: "debug",
    HOST: " ::1 ",
    UNRELATED: "x",
  };
  assert.deepEqual(readSettings(["PORT", "KAFKA_BROKERS", "WORKER_LEASE", "LOG_LEVEL", "HOST"], env), {
    PORT: 0,
    KAFKA_BROKERS: ["a:9092", "b:9092"],
    WORKER_LEASE: 60_000,
    LOG_LEVEL: "debug",
    HOST: "::1",
  });
});

test("a role's own default stands in for the general one, and the environment wins over both", () => {
  assert.equal(readSettings(["PORT"], {}, { PORT: "8081" }).PORT, 8_081);
  assert.equal(readSettings(["PORT"], { PORT: "9000" }, { PORT: "8081" }).PORT, 9_000);
});

test("an empty value means none where a setting can be none, whatever its default", () => {
  const loopback = { EGRESS_ALLOW: "127.0.0.0/8" };
  assert.equal(readSettings(["EGRESS_ALLOW"], {}, loopback).EGRESS_ALLOW, "127.0.0.0/8");
  for (const empty of ["", "  "])
    assert.equal(readSettings(["EGRESS_ALLOW"], { EGRESS_ALLOW: empty }, loopback).EGRESS_ALLOW, "");
  const none = {
    KAFKA_BROKERS: [],
    EMAIL_URL: undefined,
    EMAIL_FROM: undefined,
    BELLHOP_API_KEY: [],
    BELLHOP_SECRETS_KEY: undefined,
    WORKER_ADDRESS: undefined,
  };
  const names = Object.keys(none) as (keyof typeof none)[];
  const env = Object.fromEntries(names.map((name) => [name, ""]));
  assert.deepEqual(readSettings(names, env, { EMAIL_URL: "smtp://localhost" }), none);
});

test("an empty value where none makes no sense is refused, with the default that leaving it out gives", () => {
  const cases: [SettingName, RegExp][] = [
    ["PORT", /PORT is empty; leave it out for its default, 8080\./],
    ["HOST", /HOST is empty; leave it out for its default, 0\.0\.0\.0\./],
    ["LOG_LEVEL", /LOG_LEVEL is empty; leave it out for its default, info\./],
    ["WORKER_LEASE", /WORKER_LEASE is empty; leave it out for its default, 15s\./],
    ["KAFKA_TOPIC_PREFIX", /KAFKA_TOPIC_PREFIX is empty; leave it out for its default, bellhop\./],
    ["DATABASE_URL", /DATABASE_URL is required but empty\./],
  ];
  for (const [name, words] of cases) assert.match(refusal([name], { [name]: " " }), words);
  assert.throws(() => readSettings(["HOST"], { HOST: "" }, { HOST: "127.0.0.1" }), /default, 127\.0\.0\.1\./);
});

test("OpenTelemetry's variables follow its rule: an empty one is as good as none", () => {
  const names = ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME"] as const;
  const env = Object.fromEntries(names.map((name) => [name, ""]));
  assert.deepEqual(readSettings(names, env), readSettings(names, {}));
});

test("a needed setting that is missing is named, with what it is", () => {
  assert.match(refusal(["DATABASE_URL"], {}), /DATABASE_URL is required.*PostgreSQL/);
});

test("a bad value names the setting and the rule", () => {
  const cases: [SettingName, string, RegExp][] = [
    ["PORT", "65536", /PORT must be a whole number from 0 to 65535/],
    ["PORT", "80a", /PORT must be a whole number/],
    ["WORKER_SLOTS", "0", /WORKER_SLOTS must be a whole number from 1/],
    ["WORKER_SLOTS", "1.5", /WORKER_SLOTS must be a whole number/],
    ["WORKER_LEASE", "15", /WORKER_LEASE must be a duration.*500 ms/],
    ["WORKER_LEASE", "499ms", /WORKER_LEASE must be a duration.*500 ms/],
    ["FUNCTION_MAX_MEMORY_MB", "15", /FUNCTION_MAX_MEMORY_MB must be a whole number from 16 to 1024/],
    ["FUNCTION_MAX_RESULT_BYTES", "1000001", /FUNCTION_MAX_RESULT_BYTES must be .* to 1000000/],
    ["FUNCTION_MAX_CPU", "0ms", /FUNCTION_MAX_CPU must be a duration/],
    ["LOG_LEVEL", "verbose", /LOG_LEVEL must be one of debug, info, warn, error, silent/],
  ];
  for (const [name, value, words] of cases) assert.match(refusal([name], { [name]: value }), words);
});

test("the operator's keys begin like every key, by which it is told from a caller's own credentials, and cannot be guessed", () => {
  const read = (key: string) => readSettings(["BELLHOP_API_KEY"], { BELLHOP_API_KEY: key }).BELLHOP_API_KEY;
  const [short, long] = [`bh_${"x".repeat(16)}`, `bh_${"x".repeat(197)}`];
  for (const key of [short, long]) assert.deepEqual(read(key), [key]);
  assert.deepEqual(read(`${short}, ${long},${short}`), [short, long]);
  for (const key of [
    "hunter2",
    "BH_hunter2",
    "x bh_hunter2",
    "bh_",
    "bh_hunter2",
    `bh_hunter2${"x".repeat(8)}`,
    "bh_ hunter2 and some more",
    `bh_hunter2${"x".repeat(191)}`,
    `bh_hunter2${"x".repeat(16)},`,
    `bh_hunter2${"x".repeat(16)},hunter2`,
  ]) {
    const message = refusal(["BELLHOP_API_KEY"], { BELLHOP_API_KEY: key });
    assert.match(
      message,
      /BELLHOP_API_KEY must be bh_ plus 16 to 197 characters, without spaces and commas; .*openssl rand/,
    );
    assert.doesNotMatch(message, /hunter2/);
  }
});

test("no message repeats what was set: it may be a secret in the wrong place", () => {
  const secret = "postgres://user:hunter2@db/x";
  for (const name of ["PORT", "WORKER_SLOTS", "WORKER_LEASE", "LOG_LEVEL", "KAFKA_PARTITIONS"] as const) {
    assert.doesNotMatch(refusal([name], { [name]: secret }), /hunter2/);
  }
  assert.doesNotMatch(refusal(["PORT"], { BELLHOP_APIKEY: "hunter2" }), /hunter2/);
  assert.doesNotMatch(refusal(["PORT"], { WORKER_SECRET: "hunter2" }), /hunter2/);
});

test("keys for secrets are 32 bytes as base64 or hex; none is quoted when it is not", () => {
  const key = Buffer.alloc(32, 7);
  const read = (text: string) => readSettings(["BELLHOP_SECRETS_KEY"], { BELLHOP_SECRETS_KEY: text });
  for (const form of ["base64", "base64url", "hex"] as const) {
    assert.deepEqual(read(key.toString(form)).BELLHOP_SECRETS_KEY, [key]);
  }
  const two = `${key.toString("hex")}, ${Buffer.alloc(32, 8).toString("base64")}`;
  assert.deepEqual(read(two).BELLHOP_SECRETS_KEY, [key, Buffer.alloc(32, 8)]);
  assert.equal(readSettings(["BELLHOP_SECRETS_KEY"], {}).BELLHOP_SECRETS_KEY, undefined);
  for (const wrong of ["hunter2", `${two},hunter2`, Buffer.alloc(31, 7).toString("base64")]) {
    const message = refusal(["BELLHOP_SECRETS_KEY"], { BELLHOP_SECRETS_KEY: wrong });
    assert.match(message, /BELLHOP_SECRETS_KEY must be 32 bytes/);
    assert.doesNotMatch(message, /hunter2|0707|BwcH/);
  }
});

test("a name one letter away from a setting is a typo, and the message says of what", () => {
  const cases = {
    KAFKA_BROKER: "KAFKA_BROKERS",
    DATABSE_URL: "DATABASE_URL",
    LOG_LEVLE: "LOG_LEVEL",
    EMAIL_URI: "EMAIL_URL",
  };
  for (const [typo, meant] of Object.entries(cases)) {
    assert.match(
      refusal(["PORT"], { [typo]: "x" }),
      new RegExp(`no setting ${typo}; did you mean ${meant}\\?`),
    );
  }
});

test("a stranger under a prefix of ours is refused with the list of what there is", () => {
  for (const name of [
    "BELLHOP_MAGIC",
    "WORKER_THREADS",
    "EGRESS_LIST",
    "EMAIL_PASSWORD",
    "FUNCTION_MAX_HEAP",
  ]) {
    assert.match(
      refusal(["PORT"], { [name]: "x" }),
      new RegExp(`no setting ${name}; the settings are .*WORKER_LEASE`),
    );
  }
});

test("other people's variables pass, those that Kubernetes injects for services of our names too", () => {
  const env = {
    PATH: "/bin",
    KAFKA_HOME: "/opt/kafka",
    WORKER_SERVICE_HOST: "10.0.0.1",
    WORKER_SERVICE_PORT: "80",
    WORKER_SERVICE_PORT_HTTP: "80",
    WORKER_PORT: "tcp://10.0.0.1:80",
    WORKER_PORT_80_TCP: "tcp://10.0.0.1:80",
    WORKER_PORT_80_TCP_ADDR: "10.0.0.1",
    BELLHOP_API_SERVICE_HOST: "10.0.0.2",
    BELLHOP_API_PORT_8080_TCP_PROTO: "tcp",
  };
  assert.equal(readSettings(["PORT"], env).PORT, 8_080);
});

test("help shows each setting with its meaning and the default that holds for the role", () => {
  const lines = describeSettings(["PORT", "DATABASE_URL"], { PORT: "8082" }).split("\n");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /^ {2}PORT .*\[8082\]$/);
  assert.match(lines[1]!, /^ {2}DATABASE_URL .*\[\(needed\)\]$/);
});

test("the caps on functions have defaults, and durations are milliseconds", () => {
  assert.deepEqual(toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})), {
    memoryMb: 512,
    cpuMs: 300_000,
    wallMs: 900_000,
    concurrency: 1_000,
    logLines: 1_000,
    resultBytes: 1_000_000,
    subrequests: 1_000,
  });
  const env = { FUNCTION_MAX_CPU: "90s", FUNCTION_MAX_SUBREQUESTS: "0" };
  const caps = toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, env));
  assert.deepEqual([caps.cpuMs, caps.subrequests], [90_000, 0]);
});
