/** Rules of the Dockerfile that need no container engine; containers.test.ts carries its steps out. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { validate } from "dockerfile-utils";
import { listBuildContext } from "./build-context.ts";
import { readDockerfile } from "./dockerfile.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const text = readFileSync(join(ROOT, "Dockerfile"), "utf8");
const stages = readDockerfile(text);
const image = stages.at(-1)!;
const context = listBuildContext(ROOT);
const ofKeyword = (keyword: string) => image.steps.filter((step) => step.keyword === keyword);
const lastOf = (keyword: string) => ofKeyword(keyword).at(-1)!;
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  version: string;
  license: string;
  dependencies: Record<string, string>;
};

describe("the Dockerfile", () => {
  it("has nothing a linter of Dockerfiles objects to", () => {
    assert.deepEqual(
      validate(text).map(({ message }) => message),
      [],
    );
  });

  it("builds on one image, pinned by version and digest, with the Node that package.json pins", () => {
    const bases = new Set(stages.map(({ base }) => base));
    assert.equal(bases.size, 1);
    assert.match([...bases][0]!, /^node:[\d.]+-trixie-slim@sha256:[0-9a-f]{64}$/);
    assert.equal(/^node:([\d.]+)/.exec([...bases][0]!)![1], manifest.dependencies["node"]);
  });

  it("copies only what exists and .dockerignore lets through", () => {
    for (const { keyword, flags, text: words } of stages.flatMap(({ steps }) => steps)) {
      assert.notEqual(keyword, "ADD", "ADD fetches and unpacks behind one's back");
      if (keyword !== "COPY") continue;
      if (flags["from"] !== undefined) {
        assert.ok(stages.some(({ name }) => name === flags["from"]));
        continue;
      }
      for (const source of words.split(/\s+/).slice(0, -1)) {
        assert.ok(existsSync(join(ROOT, source)), source);
        assert.ok(
          context.some((file) => file === source || file.startsWith(`${source}/`)),
          source,
        );
      }
    }
  });

  it("takes every folder of the product, and nothing of tests, samples, secrets or this machine", () => {
    const tops = new Set(context.map((file) => file.split("/")[0]));
    assert.deepEqual(
      [...tops].sort(),
      [
        "api",
        "client",
        "console",
        "core",
        "functions",
        "package-lock.json",
        "package.json",
        "runtime",
        "scheduler",
        "scripts",
      ].sort(),
    );
    const strangers = context.filter((file) =>
      /\.(test|suite)\.ts$|fixture|\/testing\/|samples|\.env|\.log$|\.git/.test(file),
    );
    assert.deepEqual(strangers, []);
  });

  it("installs only the locked production dependencies, and one pinned Debian package", () => {
    const runs = stages.flatMap(({ steps }) => steps).filter(({ keyword }) => keyword === "RUN");
    const installs = runs.map((run) => run.text).filter((line) => /\b(npm|apt-get|curl|wget)\b/.test(line));
    assert.equal(installs.length, 2);
    assert.match(installs[0]!, /^npm ci --omit=dev --ignore-scripts /);
    assert.deepEqual(/apt-get install ((?:--\S+ )*)(.+?)\s+&&/.exec(installs[1]!)!.slice(1), [
      "--yes --no-install-recommends ",
      "'tini=0.19.0-*'",
    ]);
  });

  it("runs as a numeric user that is not root, set after the last RUN", () => {
    assert.match(lastOf("USER").text, /^[1-9]\d{3,}:[1-9]\d{3,}$/);
    const last = image.steps.map(({ keyword }) => keyword);
    assert.ok(last.lastIndexOf("USER") > last.lastIndexOf("RUN"));
    const build = stages[0]!.steps;
    assert.deepEqual(
      build.filter(({ keyword }) => keyword === "USER").map((step) => step.text),
      [lastOf("USER").text],
      "Node keeps its compile cache apart for each user id: it is made by the one that runs",
    );
  });

  it("hands signals to its command through an init, and tells its health, ports and origin", () => {
    assert.deepEqual(lastOf("ENTRYPOINT").words, ["/usr/bin/tini", "--"]);
    assert.deepEqual(lastOf("CMD").words, ["node", "api/main.ts"]);
    assert.equal(lastOf("STOPSIGNAL").text, "SIGTERM");
    assert.deepEqual(lastOf("HEALTHCHECK").words, ["node", "scripts/check-health.ts"]);
    assert.equal(lastOf("EXPOSE").text, "8080 8081 8082 8083");
    const labels = Object.fromEntries(ofKeyword("LABEL").flatMap(({ properties }) => properties));
    assert.equal(labels["org.opencontainers.image.version"], manifest.version);
    assert.equal(labels["org.opencontainers.image.licenses"], manifest.license);
  });
});
