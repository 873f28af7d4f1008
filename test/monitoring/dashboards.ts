/** The checked-in Grafana dashboards, as their panels ask. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const DASHBOARDS = ["overview", "functions"] as const;
const FOLDER = join(import.meta.dirname, "..", "..", "manifests", "monitoring", "grafana", "dashboards");

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: { defaults: { unit?: string; thresholds?: { steps: { value: number | null }[] } } };
  targets?: { refId: string; expr: string; datasource: { uid: string } }[];
}

export interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: { name: string; type: string; allValue?: string; definition?: string }[] };
  annotations: { list: { expr: string; datasource: { uid: string } }[] };
}

export function readDashboard(name: (typeof DASHBOARDS)[number]): Dashboard {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8")) as Dashboard;
}

export function questionPanels({ panels }: Dashboard): Panel[] {
  return panels.filter(({ type }) => type !== "row");
}

/** What Grafana would send: its own variables filled in, every function chosen. */
export function fillVariables(expr: string, rateInterval: string): string {
  return expr
    .replaceAll("$__rate_interval", rateInterval)
    .replaceAll("$__range", rateInterval)
    .replaceAll("$function", ".+");
}
