/** How busy the event loop is, and how late it comes to what is due. */
import { performance } from "node:perf_hooks";
import { Counter, Histogram, type Registry } from "prom-client";

/** Whatever blocks a loop that works for longer is seen. A process that sleeps is woken less often. */
const SAMPLE_MS = { working: 100, asleep: 5_000 };
/** The share of its time that a loop spends on next to nothing. */
const ASLEEP_BELOW = 0.02;
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
    help: "How late the event loop comes to a timer, sampled ten times a second while it works, and every five seconds while it sleeps.",
    buckets: LAG_SECONDS,
    registers: [registry],
  });
  let told = performance.eventLoopUtilization();
  let timer: NodeJS.Timeout;
  function sampleIn(ms: number): void {
    const dueMs = performance.now() + ms;
    timer = setTimeout(() => {
      lag.observe(Math.max(performance.now() - dueMs, 0) / 1_000);
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, told);
      told = now;
      sampleIn(utilization < ASLEEP_BELOW ? SAMPLE_MS.asleep : SAMPLE_MS.working);
    }, ms).unref();
  }
  sampleIn(SAMPLE_MS.working);
  return () => clearTimeout(timer);
}
