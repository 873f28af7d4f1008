/** What an http run sent: its task's request. What was filled in, such as secrets, nobody is shown. */
import { unwrap } from "../../client/client.ts";
import { Code, Json } from "../components/code.tsx";
import { Answered, Section } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";

interface RunRequestProps {
  taskId: string;
  /** When the run began, or was to. */
  at: string;
}

export function RunRequest({ taskId, at }: RunRequestProps) {
  const query = useQuery(`request ${taskId}`, () =>
    unwrap(client().GET("/v1/tasks/{id}", { params: { path: { id: taskId } } })),
  );
  return (
    <Answered of={query}>
      {(task) =>
        task.type === "http" && (
          <Section
            title="Request"
            aside={task.updatedAt > at && "as in its task now, which was changed since"}
          >
            <Code label="Method and address">{`${task.method} ${task.url}`}</Code>
            {Object.keys(task.headers ?? {}).length > 0 && <Json label="Headers" value={task.headers} />}
            {task.body !== null && task.body !== undefined && <Json label="Request body" value={task.body} />}
          </Section>
        )
      }
    </Answered>
  );
}
