/** One registry a role, so that several roles may share a process. What every process tells stands in it. */
import { collectDefaultMetrics, Registry } from "prom-client";
import { watchEventLoop } from "./event-loop.ts";

/**
 * Of prom-client's own: those that are named like counters and are none (their sums by type say the same), and the
 * event loop's lag: it counts the sampling period itself, so that an idle process shows 10 ms, and every scrape
 * resets it, so that of two scrapers each sees a part.
 */
const LEFT_OUT = /^nodejs_(active_(handles|requests|resources)_total|eventloop_lag_.*)$/;
/** Nobody reads what this samples. */
const SELDOM_MS = 60_000;

export function createRegistry(role: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: SELDOM_MS });
  for (const { name } of registry.getMetricsAsArray())
    if (LEFT_OUT.test(name)) registry.removeSingleMetric(name);
  watchEventLoop(registry);
  return registry;
}
