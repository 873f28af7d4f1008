/** A real Prometheus on loopback, with the checked-in configuration and rules, that scrapes the roles of a test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../core/store/testing/test-store.ts";
import { freePorts } from "../support/free-ports.ts";
import { guardProcess } from "../support/process-guard.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "manifests", "monitoring", "prometheus");

export interface Sample {
  metric: Record<string, string>;
  value: number;
}

export interface LivePrometheus {
  /** An instant query; throws with Prometheus' words where the expression is no valid one. */
  query(expr: string): Promise<Sample[]>;
  get<T>(path: string): Promise<T>;
  stop(): Promise<void>;
}

/** @param ports of the roles on loopback, in place of compose's services */
export async function startPrometheus(
  program: string,
  ports: { api: number; scheduler: number; autoscaler: number },
): Promise<LivePrometheus> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-prometheus-"));
  await copyFile(join(FOLDER, "bellhop.rules.yml"), join(folder, "bellhop.rules.yml"));
  const config = await readFile(join(FOLDER, "prometheus.yml"), "utf8");
  await writeFile(join(folder, "prometheus.yml"), toLoopback(config, ports));
  const [port] = await freePorts(1);
  const child = spawn(
    program,
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { cwd: folder, stdio: ["ignore", "ignore", "inherit"] },
  );
  const guard = guardProcess(child.pid!, { signal: "SIGKILL", removeFolder: folder });
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== "success") throw new Error(body.error);
    return body.data;
  };
  await until(async () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    ),
  );
  return {
    get,
    async query(expr) {
      const { result } = await get<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
        `/api/v1/query?query=${encodeURIComponent(expr)}`,
      );
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      guard.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The same jobs, each second, at the addresses of the test. */
function toLoopback(config: string, ports: { api: number; scheduler: number; autoscaler: number }): string {
  return config
    .replace("api:8080", `127.0.0.1:${ports.api}`)
    .replace("scheduler:8081", `127.0.0.1:${ports.scheduler}`)
    .replaceAll("autoscaler:8083", `127.0.0.1:${ports.autoscaler}`)
    .replaceAll(/(interval): \d+s/g, "$1: 1s");
}
