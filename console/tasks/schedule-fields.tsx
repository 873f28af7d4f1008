import { ChoiceField, TextField } from "../components/field.tsx";
import { KINDS, type ScheduleForm } from "./schedule-form.ts";

interface ScheduleFieldsProps {
  form: ScheduleForm;
  fault: string | undefined;
  onChange: (changes: Partial<ScheduleForm>) => void;
}

const LABELS = {
  every: ["Every", "Such as 10s, 15m, 2h or 1d."],
  cron: ["Cron expression", "Minute, hour, day, month, weekday; with a sixth field in front, seconds."],
  rrule: ["Rule", "As in RFC 5545: FREQ, BYDAY, BYHOUR and so on."],
  delay: ["After", "Such as 30s, 10m or 2h."],
} as const;

export function ScheduleFields({ form, fault, onChange }: ScheduleFieldsProps) {
  const { kind } = form;
  const isCivil = kind === "cron" || kind === "rrule";
  return (
    <>
      <div class="form-row">
        <ChoiceField
          label="When"
          value={kind}
          options={KINDS}
          onChange={(next) => onChange({ kind: next })}
        />
        {kind === "at" && (
          <TextField
            label="Instant, in your time"
            type="datetime-local"
            value={form.at}
            onInput={(at) => onChange({ at })}
            fault={fault}
          />
        )}
        {kind !== "at" && kind !== "none" && (
          <TextField
            label={LABELS[kind][0]}
            hint={LABELS[kind][1]}
            value={form[kind]}
            onInput={(value) => onChange({ [kind]: value })}
            fault={fault}
            isCode
          />
        )}
      </div>
      {isCivil && (
        <TextField
          label="Time zone"
          value={form.timezone}
          onInput={(timezone) => onChange({ timezone })}
          list={Intl.supportedValuesOf("timeZone")}
        />
      )}
    </>
  );
}
