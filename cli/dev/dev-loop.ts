/**
 * The loop of somebody who writes a function: saved → deployed → run again. What does not build, and what fails, is told,
 * and the loop goes on.
 */
import { setTimeout as rest } from "node:timers/promises";
import { unwrap } from "../../client/client.ts";
import { hashFiles, readSource, type Source } from "../bundle/source.ts";
import { callFunction } from "../commands/invoke.ts";
import { type DeployOptions, deploy } from "../deploying.ts";
import { type Failure, Interrupted, toFailure } from "../failure.ts";
import { follow } from "../follow.ts";
import { formatLine, type LogLine } from "../log-lines.ts";
import type { Session } from "../session.ts";
import { describeRunError } from "../show-error.ts";
import { showFailure } from "../show-failure.ts";
import { hasEnded, type Run } from "../show-run.ts";
import { formatDuration } from "../terminal/time.ts";
import { OtherLines } from "./other-lines.ts";
import { createSchedule, type DevSchedule, fireNext } from "./schedule.ts";

export interface DevOptions {
  /** Of the file or the folder. */
  path: string;
  name: string;
  deploy: DeployOptions;
  /** Undefined: none was given. */
  input: unknown;
  /** Undefined: it is called instead of fired. */
  schedule: DevSchedule | undefined;
}

type Wish = "deploy" | "run";

const LOOK_MS = 30;

export class DevLoop {
  readonly #session: Session;
  readonly #options: DevOptions;
  readonly #lines: OtherLines;
  readonly #wishes = new Set<Wish>();
  #wake = () => {};
  #deployed: string | undefined;

  constructor(session: Session, options: DevOptions) {
    this.#session = session;
    this.#options = options;
    this.#lines = new OtherLines((line) => this.#showLine(line));
  }

  /** Something was saved, or is to run again. */
  wish(wish: Wish): void {
    this.#wishes.add(wish);
    this.#wake();
  }

  /** Until it is interrupted. */
  async run(): Promise<never> {
    const { signal } = this.#session;
    signal.addEventListener("abort", () => this.#wake());
    this.wish("deploy");
    for (;;) {
      await this.#untilWished();
      if (signal.aborted) throw new Interrupted();
      await this.#obey();
    }
  }

  async #untilWished(): Promise<void> {
    while (this.#wishes.size === 0 && !this.#session.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  async #obey(): Promise<void> {
    const isAgain = this.#wishes.delete("run");
    const isFirst = this.#deployed === undefined;
    const isNew = await this.#takeSaved();
    // A schedule that cannot be is not mended by a save: it ends the loop.
    if (isNew && isFirst) await this.#prepare();
    const { input, schedule } = this.#options;
    const isAsked = isAgain || (isNew && (input !== undefined || schedule !== undefined));
    if (isAsked && this.#deployed !== undefined) await this.#attempt(() => this.#runOnce());
  }

  /** What fails is told, and the loop goes on. */
  async #attempt<Result>(act: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await act();
    } catch (error) {
      if (this.#session.signal.aborted) throw new Interrupted();
      this.#tell(toFailure(error));
      return undefined;
    }
  }

  /** Deploys what was saved since; whether that is something new. */
  async #takeSaved(): Promise<boolean> {
    return this.#wishes.delete("deploy") && (await this.#attempt(() => this.#deploySaved())) === true;
  }

  /** Whether there is something new. */
  async #deploySaved(): Promise<boolean> {
    const { path, name, deploy: options } = this.#options;
    const { out, now } = this.#session;
    const startMs = now();
    const source = await readSource(path);
    const hash = JSON.stringify([source.entry, hashFiles(source.files)]);
    if (hash === this.#deployed) return false;
    const { deployed } = await deploy(this.#session, name, source, options);
    this.#deployed = hash;
    const took = formatDuration(now() - startMs);
    out.item({ deployed: { function: name, revision: deployed.number } }, () =>
      out.line(out.style.green(`${name} revision ${deployed.number}, in ${took}${describePackages(source)}`)),
    );
    return true;
  }

  /** What needs a function that is there. */
  async #prepare(): Promise<void> {
    const { name, input, schedule } = this.#options;
    if (schedule) await createSchedule(this.#session, name, input, schedule);
    await new Promise<void>((onOpen, reject) => {
      const path = `/v1/functions/${encodeURIComponent(name)}/logs`;
      const onItem = (line: object) => this.#lines.add(line as LogLine);
      follow(this.#session, { path, query: new URLSearchParams(), onItem, onOpen }).catch(reject);
    });
  }

  async #runOnce(): Promise<void> {
    const { name, input, schedule } = this.#options;
    const runId = await this.#lines.begin(async () =>
      schedule
        ? await fireNext(this.#session)
        : (await callFunction(this.#session, name, input, { async: true })).runId,
    );
    if (runId === undefined) return;
    const run = await this.#untilEnded(runId);
    if (run) await this.#showEnd(run);
  }

  /**
   * Undefined: it was cancelled for the next one, which is wished for. What was saved meanwhile is deployed first, so that
   * no file which is no part of the upload, and nothing that does not build, costs the run its end.
   */
  async #untilEnded(id: string): Promise<Run | undefined> {
    const { client, signal, out } = this.#session;
    const path = { id };
    for (;;) {
      if (await this.#takeSaved()) this.#wishes.add("run");
      const run = await unwrap(client.GET("/v1/runs/{id}", { params: { path } }));
      if (hasEnded(run)) return run;
      if (this.#wishes.has("run")) {
        await client.POST("/v1/runs/{id}/cancel", { params: { path } });
        out.note(out.noteStyle.yellow("The current run was cancelled in favour of the next one."));
        return undefined;
      }
      await rest(LOOK_MS, undefined, { signal });
    }
  }

  async #showEnd(run: Run): Promise<void> {
    const { client, out } = this.#session;
    const { items } = await unwrap(client.GET("/v1/runs/{id}/logs", { params: { path: { id: run.id } } }));
    for (const line of items) this.#showLine(line);
    out.item({ run }, () => {
      if (run.error) for (const line of describeRunError(run.error, out.style)) out.line(line);
      else out.value(run.result ?? null);
    });
  }

  #showLine(line: LogLine): void {
    const { out } = this.#session;
    out.item({ line }, () => {
      for (const text of formatLine(line, out.style)) out.line(text);
    });
  }

  #tell(failure: Failure): void {
    const { out } = this.#session;
    const { code, message, details } = failure;
    if (out.json) out.item({ error: { code, message, details } }, () => {});
    else showFailure(out, failure);
  }
}

const describePackages = ({ packages }: Source) =>
  packages.length === 0 ? "" : `, with ${packages.join(", ")}`;
