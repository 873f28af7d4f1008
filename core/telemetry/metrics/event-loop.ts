/** How busy the event loop is, and how late it comes to what is due. */
import { performance } from "node:perf_hooks";
import { Counter, Histogram, type Registry } from "prom-client";

/** Whatever blocks the loop for longer is seen. */
const SAMPLE_MS = 100;
const LAG_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Answers what ends the sampling; it holds no process open. */
export function watchEventLoop(registry: Registry): () => void {
  let toldMs = 0;
  new Counter({
    name: "bellhop_event_loop_active_seconds_total",
    help: "Time the event loop was at work; its rate is the loop's utilization.",
    registers: [registry],
    collect() {
      const { active } = performance.eventLoopUtilization();
      this.inc(Math.max(active - toldMs, 0) / 1_000);
      toldMs = active;
    },
  });
  const lag = new Histogram({
    name: "bellhop_event_loop_lag_seconds",
    help: "How late the event loop comes to a timer, sampled ten times a second.",
    buckets: LAG_SECONDS,
    registers: [registry],
  });
  let dueMs = performance.now() + SAMPLE_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lag.observe(Math.max(nowMs - dueMs, 0) / 1_000);
    dueMs = nowMs + SAMPLE_MS;
  }, SAMPLE_MS).unref();
  return () => clearInterval(timer);
}
