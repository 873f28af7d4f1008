/** What Grafana needs of a dashboard, and what people need. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DASHBOARDS, type Panel, questionPanels, readDashboard } from "./dashboards.ts";

const overlap = (a: Panel["gridPos"], b: Panel["gridPos"]) =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

for (const name of DASHBOARDS) {
  describe(`the dashboard ${name}`, () => {
    const dashboard = readDashboard(name);
    const panels = questionPanels(dashboard);

    it("has panels with ids of their own, on the grid, side by side", () => {
      const ids = dashboard.panels.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      for (const [index, { gridPos, title }] of dashboard.panels.entries()) {
        assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title);
        for (const other of dashboard.panels.slice(index + 1))
          assert.ok(!overlap(gridPos, other.gridPos), `${title} lies over ${other.title}`);
      }
    });

    it("says of each panel what it shows, in which unit", () => {
      const titles = panels.map(({ title }) => title);
      assert.equal(new Set(titles).size, titles.length);
      for (const { title, description, fieldConfig } of panels) {
        assert.ok(title.length > 1 && (description ?? "").length > 10, title);
        assert.ok(fieldConfig?.defaults.unit, `${title} has no unit`);
        const values = fieldConfig.defaults.thresholds!.steps.map(({ value }) => value);
        assert.equal(values[0], null, title);
        assert.deepEqual(values, [null, ...(values.slice(1) as number[]).sort((a, b) => a - b)], title);
      }
    });

    it("asks the chosen data source alone", () => {
      const [source] = dashboard.templating.list;
      assert.deepEqual([source?.name, source?.type], ["datasource", "datasource"]);
      const asked = [
        ...dashboard.annotations.list,
        ...panels.flatMap((panel) => [panel, ...panel.targets!]),
        ...dashboard.templating.list.slice(1),
      ] as { datasource: { uid: string } }[];
      for (const { datasource } of asked) assert.equal(datasource.uid, "$" + "{datasource}");
      for (const { title, targets } of panels) {
        const refs = targets!.map(({ refId }) => refId);
        assert.ok(refs.length > 0 && new Set(refs).size === refs.length, title);
      }
    });

    it("uses each of its variables", () => {
      const text = panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr)).join("\n");
      for (const variable of dashboard.templating.list.slice(1))
        assert.ok(text.includes(`$${variable.name}`), variable.name);
    });
  });
}
