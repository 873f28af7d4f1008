import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Code, copyText } from "../components/code.tsx";
import { faultOf, Segments, TextField } from "../components/field.tsx";
import { Page, Problem, Section } from "../components/page.tsx";
import { toast } from "../components/toasts.tsx";
import { toFault } from "../data/problem.ts";
import { apiUrl } from "../data/root.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";
import { useSearch } from "../data/use-search.ts";
import { toBellhop, toCurl } from "./commands.ts";
import { PolicyFields } from "./policy-fields.tsx";
import { ScheduleFields } from "./schedule-fields.tsx";
import { toSchedule } from "./schedule-form.ts";
import { SchedulePreview } from "./schedule-preview.tsx";
import { TargetFields } from "./target-fields.tsx";
import { emptyTask, type TaskForm, toTaskBody } from "./task-form.ts";

const TYPES = [
  ["function", "Run a function"],
  ["http", "Call a URL"],
  ["email", "Send an e-mail"],
] as const;

export function NewTaskPage() {
  const search = useSearch();
  const [, go] = useLocation();
  const [form, setForm] = useState<TaskForm>(() => emptyTask(search.get("function") ?? ""));
  const action = useAction({ isQuiet: true });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  const { body, faults } = toTaskBody(form);
  const change = (changes: Partial<TaskForm>) => setForm((before) => ({ ...before, ...changes }));
  const create = () =>
    void action.run(async () => {
      const made = await unwrap(client().POST("/v1/tasks", { body: body as never }));
      if (!made) throw new Error("the API did not show the task");
      toast("The task was created.");
      go(`/tasks/${made.id}`);
    });
  return (
    <Page title="New task" within={["Tasks", "/tasks"]}>
      <div class="split">
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            create();
          }}
        >
          <Segments
            label="What it does"
            value={form.type}
            options={TYPES}
            onChange={(type) => change({ type })}
          />
          <TargetFields {...{ form, change, faults, fault }} />
          <ScheduleFields
            form={form.schedule}
            fault={faultOf(fault, "schedule")}
            onChange={(changes) => change({ schedule: { ...form.schedule, ...changes } })}
          />
          <div class="form-row">
            <TextField
              label="Name"
              value={form.name}
              onInput={(name) => change({ name })}
              hint="For people; optional."
              fault={faultOf(fault, "name")}
            />
            <TextField
              label="Key"
              value={form.key}
              onInput={(key) => change({ key })}
              hint="Your own name for it: a second task with this key is refused."
              fault={faultOf(fault, "key")}
            />
          </div>
          <PolicyFields {...{ form, change, fault }} />
          {fault && <Problem error={action.error} />}
          <div class="actions">
            <Button kind="primary" type="submit" disabled={action.isBusy || Object.keys(faults).length > 0}>
              {action.isBusy ? "Making it …" : "Make the task"}
            </Button>
          </div>
        </form>
        <div class="section">
          <Section title="When it runs">
            <SchedulePreview schedule={toSchedule(form.schedule)} />
          </Section>
          <Command title="The same with the API" text={toCurl(apiUrl, body)} label="Request" />
          <Command title="The same on the command line" text={toBellhop(body)} label="Command" />
        </div>
      </div>
    </Page>
  );
}

function Command({ title, label, text }: { title: string; label: string; text: string }) {
  return (
    <Section title={title} aside={<Button onClick={() => void copyText(text)}>Copy</Button>}>
      <Code label={label}>{text}</Code>
    </Section>
  );
}
