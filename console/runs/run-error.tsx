/** An error as its author wants it: the message, the line in the source where it was thrown, the stack. */
import { type Schemas, unwrap } from "../../client/client.ts";
import { Code, Json } from "../components/code.tsx";
import { Help, Loading, Section } from "../components/page.tsx";
import { helpWith } from "../data/problem.ts";
import { client, useQuery } from "../data/use-query.ts";
import { findSourceLine } from "./source-line.ts";

interface RunErrorProps {
  run: Schemas["Run"];
  error: Schemas["RunError"];
}

const AROUND = 3;

export function RunError({ run, error: { code, message, details } }: RunErrorProps) {
  const stack = readStack(details);
  return (
    <Section
      title="Error"
      aside={
        <>
          <code>{code}</code>
          <Help address={helpWith(code)} />
        </>
      }
    >
      <p class="problem">{message}</p>
      {stack !== undefined && run.function !== null && run.revision !== null && (
        <SourceLines name={run.function} revision={run.revision} stack={stack} />
      )}
      {stack !== undefined ? (
        <Code label="Stack">{stack}</Code>
      ) : (
        details !== undefined && details !== null && <Json label="Details" value={details} />
      )}
    </Section>
  );
}

function readStack(details: unknown): string | undefined {
  const stack = (details as { stack?: unknown } | null | undefined)?.stack;
  return typeof stack === "string" ? stack : undefined;
}

function SourceLines({ name, revision, stack }: { name: string; revision: string; stack: string }) {
  const { data, isLoading } = useQuery(`source ${revision}`, () =>
    unwrap(
      client().GET("/v1/functions/{name}/revisions/{revision}", {
        params: { path: { name, revision }, query: { source: "true" } },
      }),
    ),
  );
  if (isLoading) return <Loading />;
  const found = data && findSourceLine(stack, data.files);
  if (!found) return null;
  const { path, line, text } = found;
  const lines = text.split("\n");
  const first = Math.max(0, line - 1 - AROUND);
  const shown = lines.slice(first, line + AROUND).map((each, index) => {
    const number = first + index + 1;
    return `${number === line ? "▸" : " "} ${String(number).padStart(4)}  ${each}`;
  });
  return (
    <div class="section">
      <p class="small muted">
        <code>
          {path}:{line}
        </code>
      </p>
      <Code label="Source lines">{shown.join("\n")}</Code>
    </div>
  );
}
