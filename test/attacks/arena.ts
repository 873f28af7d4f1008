/** The whole system as processes, two namespaces with a neighbour each, and attacks on it, one after the other. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { Json } from "../../core/json.ts";
import { generateKey } from "../../core/store/keys.ts";
import { COMPILER_LIMITS } from "../../functions/build/compiler-process.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type Cluster, portOf, startCluster } from "../system/cluster.ts";
import { makeNamespace } from "../system/namespaces.ts";
import { type Attack, DEFAULT_LIMITS, type LogLine, type Targets } from "./attack.ts";
import { ALLOWED_ADDRESS, type Bait, layBait } from "./bait.ts";
import { type Answer, Client } from "./client.ts";
import { judge, type Observation, type Outcome } from "./judge.ts";
import { ProcessTree } from "./process-tree.ts";

const PROBE = readFileSync(new URL("guest/probe.ts", import.meta.url), "utf8");
const NEIGHBOUR = "neighbour";
const NEIGHBOUR_SOURCE = "export default (input: number) => input + 1;";
const NEIGHBOUR_PAUSE_MS = 200;
/** How long to wait for the successor of a spare that was taken; later ones count as growth. */
const RECOVERY_MS = 3_000;
const LOOK_MS = 20;

export interface Bout {
  outcome: Outcome;
  tookMs: number;
  growthBytes: number | undefined;
  /** Of the worker without its executors. */
  workerGrowthBytes?: number | undefined;
  neighbourMs: number;
  /** None: the attack failed as it should. */
  faults: string[];
}

/** Of one attack while it is under way. */
interface Course {
  outcome: Outcome;
  answers: Json[];
  lines: LogLine[];
  said: string;
  tookMs: number;
}

interface Neighbours {
  worstMs: number;
  faults: string[];
}

/** Of what may not end by the clock: a busy machine may take its time. */
const PATIENT_WALL_MS = 20_000;
/** A machine on which a visit to an idle neighbour takes so and so long may be late by so many times that. */
const VISITS_OF_SLACK = 50;

function wallMsOf({ limits, expect }: Attack): number {
  const { wallMs = DEFAULT_LIMITS.wallMs } = limits ?? {};
  return expect.codes?.includes("function_timeout") ? wallMs : Math.max(wallMs, PATIENT_WALL_MS);
}

/** An upload is bounded by the processor time of its compiler, and by the clock so that a busy machine may take its time. */
function allowedMs(attack: Attack, outcome: Outcome): number {
  return outcome.kind === "refused" ? COMPILER_LIMITS.wallMs : wallMsOf(attack);
}

export class Arena {
  readonly #cluster: Cluster;
  readonly #bait: Bait;
  /** The attacker's namespace and another one. */
  readonly #own: Client;
  readonly #other: Client;
  /** The attacker's second namespace, where a crowd comes from two. */
  readonly #accomplice: Client;
  readonly #targets: Targets;
  readonly #secrets: readonly string[];
  readonly #tree: ProcessTree;
  readonly #worker: ProcessTree;
  readonly #pids: readonly number[];
  #idleProcesses = 0;
  #count = 0;

  private constructor(parts: {
    cluster: Cluster;
    bait: Bait;
    own: Client;
    other: Client;
    accomplice: Client;
    targets: Targets;
    secrets: readonly string[];
  }) {
    this.#cluster = parts.cluster;
    this.#bait = parts.bait;
    this.#own = parts.own;
    this.#other = parts.other;
    this.#accomplice = parts.accomplice;
    this.#targets = parts.targets;
    this.#secrets = parts.secrets;
    this.#pids = this.#roles().map(({ pid }) => pid);
    this.#tree = new ProcessTree(this.#pids);
    this.#worker = new ProcessTree(
      parts.cluster.workers.map(({ pid }) => pid),
      { alone: true },
    );
  }

  static async start(): Promise<Arena> {
    const bait = await layBait();
    const [key, canary, foreignSecret] = [generateKey(), secret("canary"), secret("foreign")];
    const cluster = await startCluster({
      schedulers: 1,
      workers: 1,
      // What SECURITY.md promises is promised of these.
      isFromSource: true,
      env: { EGRESS_ALLOW: `${ALLOWED_ADDRESS}/32`, BELLHOP_API_KEY: key, BELLHOP_TEST_CANARY: canary },
    });
    const { api, databaseUrl, workers } = cluster;
    const own = new Client(api.url, key);
    const otherKey = await makeNamespace(databaseUrl, "other");
    const other = new Client(api.url, otherKey);
    const accompliceKey = await makeNamespace(databaseUrl, "accomplice");
    const accomplice = new Client(api.url, accompliceKey);
    for (const client of [own, other]) {
      const limits = { memoryMb: 16, wallMs: PATIENT_WALL_MS };
      requireOk(await client.deploy(NEIGHBOUR, { source: NEIGHBOUR_SOURCE, limits }));
    }
    requireOk(await other.deploy("vault", { source: `export default () => "${foreignSecret}";` }));
    const foreign = requireOk(await other.invoke("vault", null));
    const database = new URL(databaseUrl);
    const targets: Targets = {
      api: api.url,
      worker: `http://127.0.0.1:${portOf(workers[0]!)}`,
      forbidden: bait.forbiddenUrl,
      allowed: bait.allowedUrl,
      postgres: `${database.hostname}:${database.port}`,
      foreignFunction: "vault",
      foreignRunId: foreign.runId!,
    };
    const secrets = [canary, foreignSecret, key, otherKey, accompliceKey, database.password].filter(
      (text) => text.length > 7,
    );
    const arena = new Arena({ cluster, bait, own, other, accomplice, targets, secrets });
    await arena.#warmUp();
    return arena;
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
    this.#bait.close();
  }

  #roles(): RunningProcess[] {
    const { apiProcess, schedulers, workers } = this.#cluster;
    return [apiProcess, ...schedulers, ...workers];
  }

  async #warmUp(): Promise<void> {
    for (const client of [this.#own, this.#other, this.#own, this.#other]) {
      requireOk(await client.invoke(NEIGHBOUR, 1));
    }
    // The spare that the second namespace's executor was replaced by.
    let before = 0;
    while (this.#idleProcesses !== before || before === 0) {
      before = this.#tree.count();
      await wait(10 * LOOK_MS);
      this.#idleProcesses = this.#tree.count();
    }
  }

  async fight(attack: Attack): Promise<Bout> {
    const usualMs = await this.#recover();
    const linesBefore = this.#roles().map(({ logs }) => logs.length);
    const trespassesBefore = this.#bait.trespasses;
    const idleBytes = this.#tree.watch();
    const workerBytes = this.#worker.watch();
    const neighbours: Neighbours = { worstMs: 0, faults: [] };
    const over = new AbortController();
    const visits = this.#visitNeighbours(neighbours, over.signal);
    let course: Course;
    let growthBytes: number;
    let workerGrowthBytes: number;
    try {
      course = await this.#run(attack);
      over.abort();
      await visits;
      await this.#visitBoth(neighbours, "after it");
    } finally {
      over.abort();
      growthBytes = this.#tree.unwatch() - idleBytes;
      workerGrowthBytes = this.#worker.unwatch() - workerBytes;
    }
    const seen: Observation = {
      ...course,
      wallMs: allowedMs(attack, course.outcome),
      slackMs: VISITS_OF_SLACK * usualMs,
      growthBytes: process.platform === "linux" ? growthBytes : undefined,
      workerGrowthBytes: process.platform === "linux" ? workerGrowthBytes : undefined,
      neighbours,
      accidents: this.#accidentsSince(linesBefore),
      trespasses: this.#bait.trespasses - trespassesBefore,
    };
    return {
      outcome: course.outcome,
      tookMs: course.tookMs,
      growthBytes: seen.growthBytes,
      workerGrowthBytes: seen.workerGrowthBytes,
      neighbourMs: neighbours.worstMs,
      faults: judge(attack, seen, this.#secrets),
    };
  }

  async #run(attack: Attack): Promise<Course> {
    const name = `attack-${++this.#count}`;
    const upload = {
      ...attack,
      files: { "probe.ts": PROBE, ...attack.files },
      limits: { ...attack.limits, wallMs: wallMsOf(attack) },
    };
    const course: Course = {
      outcome: { kind: "refused", code: "" },
      answers: [],
      lines: [],
      said: "",
      tookMs: 0,
    };
    const deployed = await this.#own.deploy(name, upload);
    if (deployed.status >= 300) {
      const { code, tookMs, body } = deployed;
      return { ...course, outcome: { kind: "refused", code }, tookMs, said: JSON.stringify(body) };
    }
    if (attack.inFirst !== undefined) {
      requireOk(await this.#other.deploy(name, upload));
      requireOk(await this.#other.invoke(name, attack.inFirst));
    }
    const { inputs = [null] } = attack;
    const given = typeof inputs === "function" ? inputs(this.#targets) : inputs;
    if (attack.crowd !== undefined) {
      requireOk(await this.#accomplice.deploy(name, upload));
      return this.#runCrowd(name, given[0]!, attack.crowd, course);
    }
    for (const input of given) {
      const answer = await this.#own.invoke(name, input);
      course.tookMs = Math.max(course.tookMs, answer.tookMs);
      course.outcome = outcomeOf(answer);
      if (course.outcome.kind === "answered") course.answers.push(answer.body);
      const { said, lines } = await this.#own.recall(answer.runId!);
      course.said += said + JSON.stringify(answer.body);
      course.lines = lines;
    }
    return course;
  }

  /** Judged by the worst of them: one that failed, if there is one. */
  async #runCrowd(name: string, input: Json, calls: number, course: Course): Promise<Course> {
    const callers = [this.#own, this.#accomplice].flatMap((client) => Array<Client>(calls).fill(client));
    const answers = await Promise.all(callers.map((client) => client.invoke(name, input)));
    for (const answer of answers) {
      course.tookMs = Math.max(course.tookMs, answer.tookMs);
      course.said += JSON.stringify(answer.body);
      const outcome = outcomeOf(answer);
      if (outcome.kind === "answered") course.answers.push(answer.body);
      if (course.outcome.kind !== "failed") course.outcome = outcome;
    }
    return course;
  }

  async #visitNeighbours(neighbours: Neighbours, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.#visitBoth(neighbours, "during it");
      await wait(NEIGHBOUR_PAUSE_MS, undefined, { signal: over }).catch(() => {});
    }
  }

  async #visitBoth(neighbours: Neighbours, when: string): Promise<void> {
    await Promise.all([
      this.#visit(this.#other, neighbours, `the other namespace's neighbour ${when}`, 0),
      // One process serves a namespace: what kills it takes its runs along, to be tried again.
      this.#visit(this.#own, neighbours, `the namespace's own neighbour ${when}`, 2),
    ]);
  }

  async #visit(client: Client, neighbours: Neighbours, who: string, retries: number): Promise<void> {
    const answer = await callNeighbour(client, retries);
    neighbours.worstMs = Math.max(neighbours.worstMs, answer.tookMs);
    if (answer.body !== 42)
      neighbours.faults.push(`${who} got ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  /** Until the executors that the last attack took along have their successors; how long a neighbour takes then. */
  async #recover(): Promise<number> {
    const clients = [this.#own, this.#other];
    for (const client of clients) requireOk(await callNeighbour(client, 2));
    const deadline = performance.now() + RECOVERY_MS;
    while (this.#tree.count() < this.#idleProcesses && performance.now() < deadline) await wait(LOOK_MS);
    const tookMs: number[] = [];
    for (const client of clients) tookMs.push(requireOk(await callNeighbour(client, 2)).tookMs);
    return Math.min(...tookMs);
  }

  #accidentsSince(linesBefore: number[]): string[] {
    return this.#roles().flatMap((role, index) => {
      const errors = role.logs
        .slice(linesBefore[index])
        .filter(({ level }) => level === "error" || level === "fatal")
        .map((line) => `a role logged an error: ${JSON.stringify(line).slice(0, 500)}`);
      try {
        process.kill(this.#pids[index]!, 0);
        return errors;
      } catch {
        return [...errors, `a role ended: ${role.lines.slice(-5).join("\n")}`];
      }
    });
  }
}

/** What ends an executor takes along whatever runs in it. */
async function callNeighbour(client: Client, retries: number): Promise<Answer> {
  const answer = await client.invoke(NEIGHBOUR, 41);
  const isTakenAlong = answer.code === "executor_killed" && retries > 0;
  return isTakenAlong ? await callNeighbour(client, retries - 1) : answer;
}

function outcomeOf({ status, code, body }: Answer): Outcome {
  return status < 300 ? { kind: "answered", answer: body } : { kind: "failed", code };
}

function requireOk(answer: Answer): Answer {
  if (answer.status >= 300)
    throw new Error(`The arena was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

function secret(kind: string): string {
  return `${kind}-${randomBytes(12).toString("hex")}`;
}
