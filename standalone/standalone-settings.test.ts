import assert from "node:assert/strict";
import { test } from "node:test";
import { API_SETTINGS } from "../api/main.ts";
import { readSettings } from "../core/config/settings.ts";
import { AUTOSCALER_SETTINGS } from "../runtime/autoscaler/main.ts";
import { SCHEDULER_SETTINGS } from "../scheduler/main.ts";
import {
  chooseRoleEnv,
  refuseDecided,
  STANDALONE_DEFAULTS,
  STANDALONE_SETTINGS,
} from "./standalone-settings.ts";

const MADE = {
  databaseUrl: "postgres://bellhop:inner@127.0.0.1:5433/bellhop",
  apiKey: `bh_${"k".repeat(43)}`,
  secretsKey: Buffer.alloc(32).toString("base64"),
};

test("a setting without effect is refused, with why and what to do instead", () => {
  const cases: [string, string, RegExp][] = [
    ["DATABASE_URL", "postgres://u:hunter2@db/x", /PostgreSQL of its own, in BELLHOP_DATA_DIR/],
    ["DATABASE_DIRECT_URL", "postgres://u:hunter2@db/x", /PostgreSQL of its own/],
    ["KAFKA_BROKERS", "hunter2:9092", /without Kafka/],
    ["KAFKA_PARTITIONS", "12", /without Kafka/],
    ["WORKER_RECEIVE", "events", /without Kafka/],
    ["WORKER_ADDRESS", "hunter2:1", /chooses the ports of its workers/],
    ["WORKERS_POD_DELETION_COST", "true", /not in pods/],
    ["EMAIL_CAPTURE", "false", /captures e-mails.* where EMAIL_URL is not set/],
  ];
  for (const [name, value, why] of cases) {
    assert.throws(
      () => refuseDecided({ [name]: value }),
      ({ message }: Error) => {
        assert.ok(message.startsWith(`${name} has no effect here: `), message);
        assert.match(message, why);
        assert.match(message, /start the roles by themselves.*npm run api/);
        assert.doesNotMatch(message, /hunter2/);
        return true;
      },
    );
  }
});

test("what is empty, or a role's here, is not refused", () => {
  refuseDecided({ KAFKA_BROKERS: "", DATABASE_URL: " ", WORKER_SLOTS: "3", HOME: "/root" });
});

test("every setting that is accepted reaches each role that reads it", () => {
  const env: Record<string, string> = {
    ...{
      PORT: "8123",
      HOST: "0.0.0.0",
      LOG_LEVEL: "info",
      LOG_FAILED_RUNS: "json",
      EGRESS_ALLOW: "10.0.0.0/8",
      EGRESS_DENY: "10.7.0.0/16",
    },
    ...{ BELLHOP_DATA_DIR: "elsewhere", BELLHOP_RETENTION_DAYS: "7", EMAIL_FROM: "a@example.com" },
    ...{ EMAIL_URL: "smtp://mail:25", WORKER_SLOTS: "7", WORKER_LEASE: "7s", WORKER_DRAIN: "7s" },
    ...{ WORKER_SANDBOX_WALLS: "require", WORKERS_MIN: "1", WORKERS_MAX: "7", WORKERS_AHEAD: "7s" },
    ...{ WORKERS_IDLE_AFTER: "7s", FUNCTION_MAX_MEMORY_MB: "77", FUNCTION_MAX_CPU: "7s" },
    ...{ FUNCTION_MAX_WALL: "7s", FUNCTION_MAX_CONCURRENCY: "7", FUNCTION_MAX_LOG_LINES: "7" },
    ...{ FUNCTION_MAX_RESULT_BYTES: "777", FUNCTION_MAX_KV_KEYS: "7", FUNCTION_MAX_KV_BYTES: "7" },
    ...{ FUNCTION_MAX_SUBREQUESTS: "7", OTEL_EXPORTER_OTLP_ENDPOINT: "http://a:4318" },
    ...{ OTEL_EXPORTER_OTLP_HEADERS: "a=b", OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" },
    ...{ OTEL_SERVICE_NAME: "mine", OTEL_RESOURCE_ATTRIBUTES: "a=b" },
    ...{ OTEL_TRACES_SAMPLER: "always_off", OTEL_TRACES_SAMPLER_ARG: "0.5" },
    ...{ BELLHOP_CORS_ORIGINS: "https://app.example", TRUSTED_PROXIES: "10.0.0.1" },
    ...{ BELLHOP_NPM_REGISTRY: "https://registry.example" },
    ...{ OIDC_ISSUER: "https://id.example", OIDC_AUDIENCE: "bellhop" },
    OIDC_GRANTS: '[{"claims": {"groups": "ops"}, "scopes": ["operator"]}]',
    ...{ OIDC_CLIENT_ID: "console", OIDC_CLIENT_SECRET: "s", OIDC_CLIENT_SCOPES: "openid groups" },
    OIDC_PROVIDER_NAME: "Acme",
    ...{ OIDC_NAMESPACE_CLAIM: "team", OIDC_SCOPES_CLAIM: "scope" },
    ...{ BELLHOP_AUDIT_RETENTION_DAYS: "77", CALL_WORKER_WAIT: "7s" },
    ...{ BELLHOP_PUBLIC_URL: "https://bellhop.example", WORKER_WARM_MEMORY_MB: "77" },
  };
  const made = ["BELLHOP_API_KEY", "BELLHOP_SECRETS_KEY"];
  const isGiven = (name: string) => name in env || made.includes(name);
  assert.deepEqual(
    STANDALONE_SETTINGS.filter((name) => !isGiven(name)),
    [],
    "this test gives every setting",
  );
  const roles = chooseRoleEnv({ ...env, PATH: "/bin" }, MADE);
  for (const [role, names] of [
    ["api", API_SETTINGS],
    ["scheduler", SCHEDULER_SETTINGS],
    ["autoscaler", AUTOSCALER_SETTINGS],
  ] as const) {
    const seen = roles[role];
    for (const name of names) {
      const isInner = role !== "api" && (name === "HOST" || name === "PORT");
      if (name in env && !isInner) assert.equal(seen[name], env[name], `${role}, ${name}`);
    }
    readSettings(names, roles[role]);
  }
  assert.deepEqual(
    [roles.api["BELLHOP_API_KEY"], roles.api["PORT"], roles.api["HOST"]],
    [MADE.apiKey, "8123", "0.0.0.0"],
  );
  for (const { HOST, PORT, DATABASE_URL } of [roles.scheduler, roles.autoscaler])
    assert.deepEqual([HOST, PORT, DATABASE_URL], ["127.0.0.1", "0", MADE.databaseUrl]);
  assert.equal(roles.autoscaler["PATH"], "/bin");
  for (const env of [roles.scheduler, roles.autoscaler]) assert.ok(!("BELLHOP_API_KEY" in env));
  assert.ok(!("EMAIL_URL" in roles.api) && !("BELLHOP_SECRETS_KEY" in roles.scheduler));
});

test("e-mails are captured where no provider is set, and the API is told whether there is a sender", () => {
  const cases = [
    [{}, "true", ""],
    [{ EMAIL_URL: " " }, "true", ""],
    [{ EMAIL_URL: "smtp://mail:25" }, "false", ""],
    [{ EMAIL_URL: "smtp://mail:25", EMAIL_FROM: "a@example.com" }, "false", "a@example.com"],
  ] as const;
  for (const [env, capture, from] of cases) {
    const { api, autoscaler } = chooseRoleEnv(env, MADE);
    assert.deepEqual([api["EMAIL_CAPTURE"], autoscaler["EMAIL_CAPTURE"]], [capture, capture]);
    assert.equal(api["EMAIL_FROM"], from);
  }
});

test("the roles hear of the defaults that are npm start's own; an empty value is none", () => {
  const { api, autoscaler } = chooseRoleEnv({}, MADE);
  assert.equal(readSettings(API_SETTINGS, api).LOG_LEVEL, "warn");
  assert.equal(api["HOST"], "127.0.0.1");
  assert.equal(readSettings(AUTOSCALER_SETTINGS, autoscaler).EGRESS_ALLOW, STANDALONE_DEFAULTS.EGRESS_ALLOW);
  const none = chooseRoleEnv({ EGRESS_ALLOW: "" }, MADE).autoscaler;
  assert.equal(readSettings(AUTOSCALER_SETTINGS, none).EGRESS_ALLOW, "");
});
