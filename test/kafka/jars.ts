/** The broker's jars: fetched once by their Maven coordinates, kept in the ignored folder `.cache/kafka`. */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "../tools/path.ts";

const run = promisify(execFile);
const POM = join(import.meta.dirname, "pom.xml");
const CACHE = join(import.meta.dirname, "..", "..", ".cache", "kafka");
const FETCH_TIMEOUT_MS = 300_000;

/** Another list of jars, another folder. */
function jarsFolder(): string {
  const digest = createHash("sha256").update(readFileSync(POM)).digest("hex");
  return join(CACHE, `jars-${digest.slice(0, 12)}`);
}

/** Undefined when a broker can be started here; else why not, in one line. */
export function findKafkaSupport(): string | undefined {
  if (!findOnPath("java")) return "there is no java on the PATH (17 or later)";
  if (!existsSync(jarsFolder()) && !findOnPath("mvn"))
    return "there is no mvn on the PATH to fetch the broker's jars";
  return undefined;
}

/** The folder of the jars, fetched where missing. Two at once fetch twice and one of them wins. */
export async function provideKafkaJars(): Promise<string> {
  const folder = jarsFolder();
  if (existsSync(folder)) return folder;
  const part = join(CACHE, `part-${randomBytes(6).toString("hex")}`);
  await mkdir(CACHE, { recursive: true });
  try {
    const args = ["-q", "-B", "-f", POM, "dependency:copy-dependencies", `-DoutputDirectory=${part}`];
    await run("mvn", args, { timeout: FETCH_TIMEOUT_MS, maxBuffer: 16 * 1024 * 1024 });
    await rename(part, folder);
  } catch (error) {
    if (existsSync(folder)) return folder;
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const words = `${stdout}${stderr}`.trim().split("\n").slice(0, 5).join("\n");
    throw new Error(`The Kafka jars could not be fetched with mvn:\n${words || String(error)}`);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}
