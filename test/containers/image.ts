/**
 * The image as the Dockerfile builds it, for want of a container engine: its steps are carried out one by one, RUN for
 * real. The base image is stood in for by this machine's own Debian with the pinned Node, or by TEST_IMAGE_BASE, the
 * folder of another Debian's root.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { listBuildContext } from "./build-context.ts";
import { readDockerfile, type Stage, type Step } from "./dockerfile.ts";
import { type Root, rootedWords } from "./root.ts";

export interface Image {
  root: Root;
  env: Record<string, string>;
  /** `uid:gid`. */
  user: string;
  workingFolder: string;
  entrypoint: string[];
  command: string[];
  healthcheck: string[];
  stopSignal: NodeJS.Signals;
  labels: Record<string, string>;
  remove(): void;
}

type Config = Omit<Image, "root" | "remove">;

interface Build {
  folder: string;
  source: string;
  context: string[];
  /** What each named stage wrote. */
  uppers: Map<string, string>;
  onLine(line: string): void;
}

const DEBIAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const STEP_TIMEOUT_MS = 240_000;

/** @param onLine gets what the steps print */
export async function buildImage(source: string, onLine: (line: string) => void = () => {}): Promise<Image> {
  const folder = mkdtempSync(join(tmpdir(), "bellhop-image-"));
  // Who is not root passes, to read what the layers hold.
  chmodSync(folder, 0o711);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const base = resolve(process.env["TEST_IMAGE_BASE"] ?? "/");
    const build = { folder, source, context: listBuildContext(source), uppers: new Map(), onLine };
    const stages = readDockerfile(readFileSync(join(source, "Dockerfile"), "utf8"));
    let last: Omit<Image, "remove"> | undefined;
    for (const [index, stage] of stages.entries()) last = await buildStage(build, stage, index, base);
    if (!last) throw new Error("The Dockerfile has no stage.");
    return { ...last, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function buildStage(build: Build, stage: Stage, index: number, base: string) {
  const folder = join(build.folder, `stage-${index}`);
  const [upper, work, mountPoint] = ["upper", "work", "mount"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [upper, work, mountPoint]) mkdirSync(path, { recursive: true });
  const root = { base, upper, work };
  addNode(upper);
  if (stage.name !== undefined) build.uppers.set(stage.name, upper);
  const config: Config = {
    env: { PATH: DEBIAN_PATH },
    ...{ user: "0:0", workingFolder: "/", stopSignal: "SIGTERM", labels: {} },
    ...{ entrypoint: [], command: [], healthcheck: [] },
  };
  for (const step of stage.steps) {
    if (step.keyword === "RUN") {
      const { env, user, workingFolder } = config;
      const home = user.startsWith("0:") ? "/root" : "/";
      await runStep(build, {
        ...{ root, isReadOnly: false, mountPoint, workingFolder, user },
        ...{ env: { ...env, HOME: home, ...outerEnv() } },
        words: ["/bin/sh", "-c", step.text],
      });
    } else if (step.keyword === "COPY") copy(build, step, upper, config.workingFolder);
    else configure(config, step, upper);
  }
  return { ...config, root };
}

/** Node lies where node:… has it. */
function addNode(upper: string): void {
  const node = join(upper, "usr/local/bin/node");
  mkdirSync(dirname(node), { recursive: true });
  try {
    linkSync(process.execPath, node);
  } catch {
    cpSync(process.execPath, node);
  }
}

/** Where this machine's packages come from is not the Dockerfile's to say. */
function outerEnv(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) =>
    /^(npm_config_|https?_proxy$|no_proxy$|node_extra_ca_certs$)/i.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name]!]));
}

async function runStep(build: Build, command: Parameters<typeof rootedWords>[0]): Promise<void> {
  const [file, ...args] = rootedWords(command);
  const child = spawn(file!, args, { stdio: ["ignore", "pipe", "pipe"], timeout: STEP_TIMEOUT_MS });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said.push(text);
      build.onLine(text.trimEnd());
    });
  const [code] = await once(child, "close");
  if (code !== 0)
    throw new Error(`RUN ${command.words.at(-1)} ended with ${code}:\n${said.join("").slice(-2_000)}`);
}

/** Folders are copied by their contents, as COPY does; owners become root. */
function copy(build: Build, step: Step, upper: string, workingFolder: string): void {
  const words = step.text.split(/\s+/);
  const target = words.pop()!;
  const to = join(upper, resolve(workingFolder, target));
  const from = step.flags["from"];
  for (const word of words) {
    if (from !== undefined) {
      cpSync(join(build.uppers.get(from)!, word), to, { recursive: true, verbatimSymlinks: true });
      continue;
    }
    const files = build.context.filter((file) => file === word || file.startsWith(`${word}/`));
    if (files.length === 0) throw new Error(`COPY ${word}: .dockerignore lets nothing of it through.`);
    for (const file of files) {
      const isFile = file === word;
      const path = isFile
        ? target.endsWith("/")
          ? join(to, basename(file))
          : to
        : join(to, file.slice(word.length));
      mkdirSync(dirname(path), { recursive: true });
      cpSync(join(build.source, file), path);
    }
  }
}

function configure(config: Config, step: Step, upper: string): void {
  const { keyword, text, words = [], properties } = step;
  if (keyword === "ENV") Object.assign(config.env, Object.fromEntries(properties));
  else if (keyword === "LABEL") Object.assign(config.labels, Object.fromEntries(properties));
  else if (keyword === "USER") config.user = text;
  else if (keyword === "STOPSIGNAL") config.stopSignal = text as NodeJS.Signals;
  else if (keyword === "ENTRYPOINT") config.entrypoint = words;
  else if (keyword === "CMD") config.command = words;
  else if (keyword === "HEALTHCHECK") config.healthcheck = words;
  else if (keyword === "WORKDIR") {
    config.workingFolder = resolve(config.workingFolder, text);
    if (!existsSync(join(upper, config.workingFolder)))
      mkdirSync(join(upper, config.workingFolder), { recursive: true });
  } else if (keyword !== "EXPOSE") throw new Error(`The simulated build knows no ${keyword}.`);
}
