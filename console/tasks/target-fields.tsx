/** What a new task does: the fields of its type. */
import { unwrap } from "../../client/client.ts";
import { AreaField, ChoiceField, faultOf, TextField } from "../components/field.tsx";
import type { Fault } from "../data/problem.ts";
import { client, useQuery } from "../data/use-query.ts";
import type { TaskForm } from "./task-form.ts";

export interface TaskFieldsProps {
  form: TaskForm;
  change: (changes: Partial<TaskForm>) => void;
  faults: Record<string, string>;
  fault: Fault | undefined;
}

const METHODS = ["POST", "GET", "PUT", "PATCH", "DELETE"].map((each) => [each, each] as const);

export function TargetFields(props: TaskFieldsProps) {
  if (props.form.type === "function") return <FunctionFields {...props} />;
  if (props.form.type === "http") return <HttpFields {...props} />;
  return <EmailFields {...props} />;
}

function FunctionFields({ form, change, faults, fault }: TaskFieldsProps) {
  const { data } = useQuery("function names", () =>
    unwrap(client().GET("/v1/functions", { params: { query: { limit: 200 } } })),
  );
  return (
    <>
      <TextField
        label="Function"
        value={form.functionName}
        onInput={(functionName) => change({ functionName })}
        list={data?.items.map(({ name }) => name) ?? []}
        fault={faultOf(fault, "function")}
        required
      />
      <AreaField
        label="Input, as JSON"
        rows={5}
        value={form.input}
        onInput={(input) => change({ input })}
        fault={faults["input"] ?? faultOf(fault, "input")}
      />
    </>
  );
}

function HttpFields({ form, change, faults, fault }: TaskFieldsProps) {
  return (
    <>
      <div class="form-row">
        <ChoiceField
          label="Method"
          value={form.method}
          options={METHODS}
          onChange={(method) => change({ method })}
          fault={faultOf(fault, "method")}
        />
        <TextField
          label="Address"
          value={form.url}
          onInput={(url) => change({ url })}
          fault={faultOf(fault, "url")}
          required
        />
      </div>
      <AreaField
        label="Body, as JSON"
        rows={4}
        value={form.body}
        onInput={(body) => change({ body })}
        hint="Leave empty to send none."
        fault={faults["body"] ?? faultOf(fault, "body")}
      />
    </>
  );
}

function EmailFields({ form, change, fault }: TaskFieldsProps) {
  return (
    <>
      <div class="form-row">
        <TextField
          label="To"
          value={form.to}
          onInput={(to) => change({ to })}
          hint="Separate several with commas."
          fault={faultOf(fault, "to")}
          required
        />
        <TextField
          label="Subject"
          value={form.subject}
          onInput={(subject) => change({ subject })}
          fault={faultOf(fault, "subject")}
          required
        />
      </div>
      <AreaField
        label="Text"
        rows={5}
        value={form.text}
        onInput={(text) => change({ text })}
        fault={faultOf(fault, "body")}
      />
    </>
  );
}
