import type { Schemas } from "../../client/client.ts";
import { formatClock } from "../format/time.ts";

type LogLine = Schemas["LogLine"];

export function LogLines({ lines }: { lines: readonly LogLine[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by the keyboard too
    <ol class="log" tabIndex={0} aria-label="Log">
      {lines.map(({ id, at, level, message, fields }) => (
        <li key={id} data-level={level}>
          <time datetime={at}>{formatClock(new Date(at))}</time>
          <span class="level">{level}</span>
          <span class="message">
            {message} {Object.keys(fields).length > 0 && <span class="fields">{JSON.stringify(fields)}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}
