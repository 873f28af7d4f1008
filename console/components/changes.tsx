/** What a change comes to, field by field. */
import type { Schemas } from "../../client/client.ts";
import { toJson } from "./code.tsx";

const shown = (value: unknown) =>
  value === undefined ? "not set" : typeof value === "string" ? value : toJson(value);

export function Changes({ of: diff }: { of: readonly Schemas["FieldChange"][] }) {
  if (diff.length === 0) return <p class="muted">Nothing changes.</p>;
  return (
    <dl class="facts diff">
      {diff.map(({ field, from, to }) => (
        <div key={field} style={{ display: "contents" }}>
          <dt>
            <code>{field}</code>
          </dt>
          <dd>
            <code class="from">− {shown(from)}</code>
            <br />
            <code class="to">+ {shown(to)}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
