/** A change of a task, as JSON: what it comes to is shown before it is made, and it is made only on what was seen. */
import { useState } from "preact/hooks";
import { unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Changes } from "../components/changes.tsx";
import { toJson } from "../components/code.tsx";
import { AreaField } from "../components/field.tsx";
import { Problem, Section } from "../components/page.tsx";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";
import { parseInput } from "../runs/parse-input.ts";
import { diffTask, toEditable } from "./edit-task.ts";
import type { Task } from "./task.ts";

export function EditTab({ task, onChanged }: { task: Task; onChanged: () => void }) {
  const before = toEditable(task);
  const [text, setText] = useState(() => toJson(before));
  const action = useAction({ isQuiet: true });
  const input = parseInput(text);
  const isObject = "value" in input && typeof input.value === "object" && input.value !== null;
  const changes = isObject
    ? diffTask(before, (input as { value: Record<string, unknown> }).value)
    : undefined;
  const save = () =>
    void action.run(async () => {
      const { id } = task;
      const { response } = await client().GET("/v1/tasks/{id}", { params: { path: { id } } });
      const etag = response.headers.get("etag");
      await unwrap(
        client().PATCH("/v1/tasks/{id}", {
          params: { path: { id }, header: { ...(etag !== null && { "if-match": etag }) } },
          body: changes!.patch,
        }),
      );
      onChanged();
      return "The task was changed.";
    });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  return (
    <div class="split">
      <AreaField
        label="Definition, as JSON"
        rows={22}
        value={text}
        onInput={setText}
        fault={"fault" in input ? input.fault : isObject ? undefined : "A task must be an object."}
      />
      <Section
        title="What changes"
        aside={
          <Button
            kind="primary"
            onClick={save}
            disabled={action.isBusy || !changes || changes.diff.length === 0}
          >
            Save
          </Button>
        }
      >
        {changes && <Changes of={changes.diff} />}
        {fault && <Problem error={action.error} />}
      </Section>
    </div>
  );
}
