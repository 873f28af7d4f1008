/** The same as the form, as commands for a shell. Pure. */
type Body = Record<string, unknown>;

/** In single quotes nothing is expanded, and only they end. */
const quote = (text: string) => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export function toCurl(apiUrl: string, body: object): string {
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl "${apiUrl}/v1/tasks" -H "Authorization: Bearer $KEY" -d '${text}'`;
}

/** Of `bellhop tasks create`; what they take is JSON, or text as it is. */
const OPTIONS: readonly (readonly [option: string, read: (body: Body) => unknown])[] = [
  ["--function", ({ function: name }) => name],
  ["--http", ({ url }) => url],
  ["--email", ({ to }) => to],
  ["--method", ({ method }) => (method === "POST" ? undefined : method)],
  ["--input", ({ input }) => toJson(input)],
  ["--body", ({ type, body }) => (type === "http" ? toJson(body) : undefined)],
  ["--subject", ({ subject }) => subject],
  ["--text", ({ type, body }) => (type === "email" ? body : undefined)],
  ...["every", "cron", "rrule", "at", "delay", "timezone"].map(
    (field) => [`--${field}`, ({ schedule }: Body) => (schedule as Body | undefined)?.[field]] as const,
  ),
  ["--name", ({ name }) => name],
  ["--key", ({ key }) => key],
  ["--queue", ({ queue }) => queue],
  ["--overlap", ({ overlap }) => overlap],
  ["--catch-up", ({ catchUp }) => (catchUp as Body | undefined)?.["policy"]],
  ["--max-attempts", ({ retry }) => (retry as Body | undefined)?.["maxAttempts"]],
  ["--timeout", ({ timeout }) => timeout],
];

const toJson = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));

export function toBellhop(body: Body): string {
  const options = OPTIONS.flatMap(([option, read]) =>
    [read(body)]
      .flat()
      .filter((value) => value !== undefined)
      .map((value) => `${option} ${quote(String(value))}`),
  );
  return ["bellhop tasks create", ...options].join(" \\\n  ");
}
