import type { Fault } from "../data/problem.ts";

/** The compiler's complaints below the editor, where everybody finds them. */
export function BuildFaults({ fault }: { fault: Fault | undefined }) {
  if (!fault) return null;
  const lines = fault.fields.length > 0 ? fault.fields : [{ field: "", message: fault.message }];
  return (
    <div class="problem" role="alert">
      <strong>Nothing was deployed.</strong>
      <ul>
        {lines.map(({ field, file, line, column, message }) => (
          <li key={`${field}${file}${line}${column}${message}`}>
            {line === undefined ? (
              field && `${field}: `
            ) : (
              <code>{`${file ?? field}:${line}:${column ?? 1} `}</code>
            )}
            {message}
          </li>
        ))}
      </ul>
    </div>
  );
}
