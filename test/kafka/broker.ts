/**
 * One real Kafka broker (KRaft, broker and controller in one process) on loopback.
 * States: running ⇄ frozen; running → killed or stopped → (restart) running, on the same port, with its log or empty.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts } from "../support/free-ports.ts";
import { guardProcess } from "../support/process-guard.ts";
import { provideKafkaJars } from "./jars.ts";

export { findKafkaSupport } from "./jars.ts";

export interface KafkaBroker {
  /** What KAFKA_BROKERS is set to. */
  brokers: string;
  /** Of the running broker; another one after a restart. */
  readonly pid: number;
  /** A crash: SIGKILL, resolves when it is gone. */
  kill(): Promise<void>;
  /** Politely; safe to call again. */
  stop(): Promise<void>;
  /** The same log and port again, after a kill or a stop; stops a running one first. `empty`: with nothing in it. */
  restart(options?: { empty: boolean }): Promise<void>;
  /** Stands still (SIGSTOP) until it is thawed; its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Lets this process end although the broker runs; the broker then ends with it. */
  unref(): void;
}

const START_TIMEOUT_MS = 180_000;
const STOP_GRACE_MS = 10_000;
const JAVA_FLAGS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/**
 * @param options `dir`: the broker's own folder, kept after a stop; `port`: default a free one; `settings`: in place of
 * the usual ones, `PORT`, `CONTROLLER_PORT` and `DATA` standing for what is chosen here.
 */
export async function startKafkaBroker(options: {
  dir: string;
  port?: number;
  settings?: Record<string, string>;
}): Promise<KafkaBroker> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const jars = join(await provideKafkaJars(), "*");
  const [freeBrokerPort, controllerPort] = (await freePorts(2)) as [number, number];
  const port = options.port ?? freeBrokerPort;
  const config = join(dir, "server.properties");
  const settings = options.settings ?? USUAL_SETTINGS;
  await writeFile(config, serverProperties(settings, dir, port, controllerPort));
  if (!existsSync(join(dir, "data", "meta.properties"))) await formatLog(jars, config);

  let running = await launchBroker(jars, config, dir, port);
  let referenced = true;
  const end = (signal: NodeJS.Signals) => endBroker(running, signal);
  return {
    brokers: `127.0.0.1:${port}`,
    get pid() {
      return running.child.pid!;
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    async restart({ empty } = { empty: false }) {
      await end("SIGTERM");
      if (empty) {
        await rm(join(dir, "data"), { recursive: true, force: true });
        await formatLog(jars, config);
      }
      running = await launchBroker(jars, config, dir, port);
      if (!referenced) running.child.unref();
    },
    freeze: () => void running.child.kill("SIGSTOP"),
    thaw: () => void running.child.kill("SIGCONT"),
    unref() {
      referenced = false;
      running.child.unref();
    },
  };
}

interface RunningBroker {
  child: ChildProcess;
  /** Tells the guard that the broker has ended. */
  release(): void;
}

/** Without `settings`. */
export const USUAL_SETTINGS: Record<string, string> = {
  "process.roles": "broker,controller",
  "node.id": "1",
  "controller.quorum.voters": "1@127.0.0.1:CONTROLLER_PORT",
  listeners: "PLAINTEXT://127.0.0.1:PORT,CONTROLLER://127.0.0.1:CONTROLLER_PORT",
  "advertised.listeners": "PLAINTEXT://127.0.0.1:PORT",
  "controller.listener.names": "CONTROLLER",
  "inter.broker.listener.name": "PLAINTEXT",
  "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
  "log.dirs": "DATA",
  "auto.create.topics.enable": "false",
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "share.coordinator.state.topic.replication.factor": "1",
  "share.coordinator.state.topic.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
  // A broker that was killed may register again only after its old session: nine seconds by default.
  "broker.session.timeout.ms": "2000",
  "broker.heartbeat.interval.ms": "500",
};

function serverProperties(
  settings: Record<string, string>,
  dir: string,
  port: number,
  controllerPort: number,
): string {
  const chosen: Record<string, string> = {
    PORT: String(port),
    CONTROLLER_PORT: String(controllerPort),
    DATA: join(dir, "data"),
  };
  return Object.entries(settings)
    .map(
      ([name, value]) =>
        `${name}=${value.replace(/\b(CONTROLLER_PORT|PORT|DATA)\b/g, (word) => chosen[word]!)}\n`,
    )
    .join("");
}

async function formatLog(jars: string, config: string): Promise<void> {
  const clusterId = randomBytes(16).toString("base64url");
  // An id that begins with a dash would be read as an option.
  const tool = ["kafka.tools.StorageTool", "format", `--cluster-id=${clusterId}`, "-c", config];
  await promisify(execFile)("java", [...JAVA_FLAGS, "-cp", jars, ...tool]);
}

async function launchBroker(jars: string, config: string, dir: string, port: number): Promise<RunningBroker> {
  const log = await open(join(dir, "kafka.log"), "a");
  const child = spawn("java", [...JAVA_FLAGS, "-cp", jars, "kafka.Kafka", config], {
    cwd: dir,
    // A group of its own: a Ctrl-C in the terminal is for the runner, which stops the broker last.
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  await once(child, "spawn").finally(() => log.close());
  const guard = guardProcess(child.pid!, { signal: "SIGKILL" });
  const running = { child, release: guard.release };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(port))) {
    if (!hasExited(child) && Date.now() < deadline) {
      await delay(50);
      continue;
    }
    const problem = hasExited(child) ? "ended at once" : "did not answer in time";
    await endBroker(running, "SIGKILL");
    const words = (await readFile(join(dir, "kafka.log"), "utf8")).trim().split("\n").slice(-10).join("\n");
    throw new Error(`The Kafka broker ${problem}:\n${words}`);
  }
  return running;
}

async function endBroker({ child, release }: RunningBroker, signal: NodeJS.Signals): Promise<void> {
  child.ref();
  const patience = new AbortController();
  const ended = hasExited(child) ? Promise.resolve() : once(child, "exit");
  child.kill(signal);
  const late = delay(STOP_GRACE_MS, "late", { signal: patience.signal }).catch(() => "ended");
  if ((await Promise.race([ended, late])) === "late") {
    child.kill("SIGKILL");
    await ended;
  }
  patience.abort();
  release();
}

const hasExited = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
