/** What a deploy changes, by what the function has now; and the upload itself. */
import { type Schemas, unwrap } from "../client/client.ts";
import { DEFAULT_FUNCTION_LIMITS } from "../core/domain/function-limits.ts";
import { hashRevision, hashSources } from "../core/domain/revision-hash.ts";
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
  /** Names of limits that would differ, those that are asked for no more among them. */
  limits: string[];
  /** Of the rest: `entry`, `reuse`, `public`. */
  diff: FieldChange[];
}

export interface FieldChange {
  field: string;
  from: unknown;
  to: unknown;
}

export const isUnchanged = ({ revision, files, env, limits, diff }: DeployPlan): boolean =>
  revision !== null && files.length + env.length + limits.length + diff.length === 0;

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
      diff: [],
    };
  const { revision: leading, public: isPublic } = await unwrap(Promise.resolve(found));
  const path = { name, revision: String(leading.number) };
  const revision = await unwrap(
    client.GET("/v1/functions/{name}/revisions/{revision}", { params: { path } }),
  );
  return { function: name, ...compareDeploy({ ...revision, public: isPublic }, source, options) };
}

/** What stands, as a deploy compares it. */
export type Standing = Pick<
  Schemas["RevisionWithFiles"],
  "number" | "contentHash" | "entry" | "reuse" | "limits" | "env" | "files"
> & { public: boolean };

export function compareDeploy(
  standing: Standing,
  source: Pick<Source, "files" | "entry">,
  options: DeployOptions,
): Omit<DeployPlan, "function"> {
  const files = changes(source.files, standing.files);
  const wanted = {
    entry: source.entry,
    // Said anew with each upload, but for `public`, which stays where nothing is said.
    reuse: options.reuse ?? true,
    public: options.public ?? standing.public,
  };
  const diff = (["entry", "reuse", "public"] as const).flatMap((field): FieldChange[] =>
    wanted[field] === standing[field] ? [] : [{ field, from: standing[field], to: wanted[field] }],
  );
  const asked = options.limits ?? {};
  const sourceHash = hashSources(new Map(Object.entries(source.files)), source.entry);
  const isSame = standing.contentHash === hashRevision(sourceHash, asked, wanted.reuse);
  const env = options.env === undefined ? [] : differing(options.env, standing.env);
  const limits = isSame ? [] : changedLimits(asked, standing.limits, files.length + diff.length === 0);
  return { revision: standing.number, files, env, limits, diff };
}

/**
 * The API shows the limits that hold, and not whether they were asked for: a default that is lowered may be the operator's
 * cap. It is taken for a limit that was removed only where nothing else can have made another revision.
 */
function changedLimits(
  asked: Record<string, number>,
  standing: Standing["limits"],
  isAllElseSame: boolean,
): string[] {
  const names = Object.keys({ ...DEFAULT_FUNCTION_LIMITS, ...asked }) as (keyof Standing["limits"])[];
  const differing = names.filter((name) => standing[name] !== (asked[name] ?? DEFAULT_FUNCTION_LIMITS[name]));
  const certain = differing.filter((name) => {
    const usual = DEFAULT_FUNCTION_LIMITS[name];
    return name in asked || usual === null || (standing[name] ?? usual) > usual;
  });
  return certain.length === 0 && isAllElseSame ? differing : certain;
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
