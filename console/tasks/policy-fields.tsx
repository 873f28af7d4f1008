/** How a task runs: with the defaults that hold where nothing is said. */
import { ChoiceField, faultOf, TextField } from "../components/field.tsx";
import type { TaskFieldsProps } from "./target-fields.tsx";

const OVERLAPS = [
  ["skip", "skip the next one (the default)"],
  ["wait", "let the next one wait"],
  ["allow", "run both"],
  ["cancel-previous", "cancel the previous one"],
] as const;

const CATCH_UPS = [
  ["latest", "only the latest (the default)"],
  ["all", "all of them"],
  ["none", "none"],
] as const;

const sayChoice = <Value extends string>(
  options: readonly (readonly [value: Value, text: string])[],
  chosen: Value,
) => options.find(([value]) => value === chosen)?.[1];

export function PolicyFields({ form, change, fault }: Omit<TaskFieldsProps, "faults">) {
  return (
    <details>
      <summary>
        Retries, overlap, catch-up, queue{" "}
        <span class="muted small">
          {sayChoice(OVERLAPS, form.overlap)}, of missed instants {sayChoice(CATCH_UPS, form.catchUp)}
        </span>
      </summary>
      <div class="form">
        <div class="form-row">
          <ChoiceField
            label="While the previous run is active"
            value={form.overlap}
            options={OVERLAPS}
            onChange={(overlap) => change({ overlap })}
          />
          <ChoiceField
            label="For missed instants, run"
            value={form.catchUp}
            options={CATCH_UPS}
            onChange={(catchUp) => change({ catchUp })}
          />
        </div>
        <div class="form-row">
          <TextField
            label="Maximum attempts"
            type="number"
            value={form.maxAttempts}
            onInput={(maxAttempts) => change({ maxAttempts })}
            hint="Leave empty for the default."
            fault={faultOf(fault, "retry")}
          />
          <TextField
            label="Timeout of an attempt"
            value={form.timeout}
            onInput={(timeout) => change({ timeout })}
            hint="Such as 30s; leave empty for the default."
            fault={faultOf(fault, "timeout")}
          />
          <TextField
            label="Queue"
            value={form.queue}
            onInput={(queue) => change({ queue })}
            fault={faultOf(fault, "queue")}
          />
        </div>
      </div>
    </details>
  );
}
