/** The parent's side of a process of jobs/. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type JobAnswers, type JobReply, type JobRequest, URL_VARIABLE } from "./job-queue.ts";

/** Nothing that is asked for takes longer, even on a machine that is ten times slower. */
const PATIENCE_MS = 600_000;

export interface JobProcess {
  ask<R extends JobRequest>(request: R): Promise<JobAnswers[R["ask"]]>;
  stop(): Promise<void>;
}

export async function startJobProcess(
  library: string,
  role: "client" | "worker",
  url: string,
): Promise<JobProcess> {
  const child = fork(join(import.meta.dirname, "jobs", `${library}.ts`), [role], {
    env: { PATH: process.env["PATH"], [URL_VARIABLE]: url },
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const exited = once(child, "exit");
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<void>();
  child.on("message", (reply: JobReply) => {
    if ("ready" in reply) return ready.resolve();
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ("error" in reply) asked?.reject(new Error(`${library}, ${role}: ${reply.error}`));
    else asked?.resolve(reply.answer);
  });
  void exited.then(() => {
    const gone = new Error(`The ${role} of ${library} has ended.`);
    ready.reject(gone);
    for (const { reject } of waiting.values()) reject(gone);
  });
  await ready.promise;

  let lastId = 0;
  return {
    async ask<R extends JobRequest>(request: R) {
      lastId += 1;
      const id = lastId;
      const answered = Promise.withResolvers<unknown>();
      waiting.set(id, answered);
      const timer = setTimeout(
        () =>
          answered.reject(new Error(`${library} did not end "${request.ask}" in ${PATIENCE_MS / 1_000} s`)),
        PATIENCE_MS,
      );
      child.send({ id, request });
      try {
        return (await answered.promise) as JobAnswers[R["ask"]];
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    async stop() {
      // It closes what it has open, and ends.
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}
