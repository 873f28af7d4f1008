/** What a deploy changes, by what the function has now; and the upload itself. */
import { type Schemas, unwrap } from "../client/client.ts";
import { hashFiles, type Source } from "./bundle/source.ts";
import { Failure } from "./failure.ts";
import type { Session } from "./session.ts";

export interface DeployOptions {
  env?: Record<string, string> | undefined;
  limits?: Record<string, number> | undefined;
  reuse?: boolean | undefined;
  public?: boolean | undefined;
  tag?: string | undefined;
  traffic?: 0 | 100 | undefined;
}

export interface FileChange {
  path: string;
  change: "added" | "changed" | "removed";
}

export interface DeployPlan {
  function: string;
  /** Null: the function is new. */
  revision: number | null;
  files: FileChange[];
  /** Names whose value differs from the leading revision's. */
  env: string[];
  /** Names of limits that would differ. */
  limits: string[];
}

export const isUnchanged = ({ revision, files, env, limits }: DeployPlan): boolean =>
  revision !== null && files.length + env.length + limits.length === 0;

/** Against the revision that leads. */
export async function planDeploy(
  { client }: Pick<Session, "client">,
  name: string,
  source: Source,
  options: DeployOptions,
): Promise<DeployPlan> {
  const found = await client.GET("/v1/functions/{name}", { params: { path: { name } } });
  if (found.response.status === 404)
    return {
      function: name,
      revision: null,
      files: changes(source.files, {}),
      env: Object.keys(options.env ?? {}),
      limits: Object.keys(options.limits ?? {}),
    };
  const { revision: leading } = await unwrap(Promise.resolve(found));
  const path = { name, revision: String(leading.number) };
  const revision = await unwrap(
    client.GET("/v1/functions/{name}/revisions/{revision}", { params: { path } }),
  );
  return {
    ...{ function: name, revision: leading.number },
    files: changes(source.files, revision.files),
    env: options.env === undefined ? [] : differing(options.env, revision.env),
    limits: Object.entries(options.limits ?? {})
      .filter(([limit, value]) => revision.limits[limit as keyof typeof revision.limits] !== value)
      .map(([limit]) => limit),
  };
}

/** Pure, for planDeploy. */
export function changes(
  files: Record<string, string>,
  before: Record<string, { sha256: string }>,
): FileChange[] {
  const after = hashFiles(files);
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return paths.flatMap((path): FileChange[] => {
    const [from, to] = [before[path]?.sha256, after[path]?.sha256];
    if (from === to) return [];
    return [{ path, change: from === undefined ? "added" : to === undefined ? "removed" : "changed" }];
  });
}

function differing(after: Record<string, string>, before: Record<string, string>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => before[name] !== after[name])
    .sort();
}

export async function deploy(
  session: Session,
  name: string,
  source: Source,
  options: DeployOptions,
): Promise<Schemas["DeployedFunction"]> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const body = { ...Object.fromEntries(given), files: source.files, entry: source.entry };
  try {
    const response = await session.request(`/v1/functions/${encodeURIComponent(name)}`, {
      ...{ method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json" } },
    });
    return (await response.json()) as Schemas["DeployedFunction"];
  } catch (error) {
    throw error instanceof Failure ? withExcerpts(error, source.files) : error;
  }
}

/** The lines that the API's errors point at. */
export function withExcerpts(failure: Failure, files: Record<string, string>): Failure {
  const problem = failure.cause as Schemas["Problem"] | undefined;
  if (failure.code !== "build_failed" || problem?.errors === undefined) return failure;
  const details = problem.errors.flatMap(({ message, file, line, column }) => {
    const text = file === undefined || line === undefined ? undefined : files[file]?.split("\n")[line - 1];
    if (text === undefined || text.length > 300) return [message];
    return [message, `  ${text}`, ...(column === undefined ? [] : [`  ${" ".repeat(column - 1)}^`])];
  });
  return new Failure("The function does not build.", { code: failure.code, details, cause: problem });
}
