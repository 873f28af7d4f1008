/** A client of Bellhop's API. What may be asked and is answered is typed by the API's OpenAPI document (api.d.ts). */
import createFetchClient, {
  type Client as FetchClient,
  type ClientOptions as FetchOptions,
  mergeHeaders,
} from "openapi-fetch";
import type { components, operations, paths } from "./api.js";

export type { components, operations, paths };
/** By their names in the document: `Schemas["Run"]`. */
export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

export interface ClientOptions extends Omit<FetchOptions, "baseUrl"> {
  /** Where the API is, such as `https://bellhop.example.com`. */
  baseUrl: string;
  key: string;
  /** For an operator's key: the namespace to act in, if it is not its own. */
  namespace?: string;
}

/** Answers are typed as JSON; who follows a stream parses it himself, with `parseAs: "stream"`. */
type Media = "application/json" | "application/problem+json";
export type Client = FetchClient<paths, Media>;

export function createClient({ key, namespace, headers = {}, ...options }: ClientOptions): Client {
  const own = {
    authorization: `Bearer ${key}`,
    ...(namespace === undefined ? {} : { "bellhop-namespace": namespace }),
  };
  // Headers and pairs alike; a record may have null, which takes a header away.
  const given = Symbol.iterator in headers ? new Headers(headers as HeadersInit) : headers;
  return createFetchClient<paths, Media>({ ...options, headers: mergeHeaders(own, given) });
}

/** An answer that is an error. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  readonly response: Response;
  /** Where it is told what to do about it, where the answer says so. */
  readonly help: string | undefined;

  constructor(problem: Problem, response: Response) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.response = response;
    this.help = findHelp(response);
  }
}

/** Where an answer's `Link` leads for help. */
export function findHelp({ headers, url }: Response): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?help"?/.exec(headers.get("link") ?? "")?.[1];
  return target !== undefined && URL.canParse(target, url) ? new URL(target, url).href : target;
}

/** What a call resolves to. */
interface Answered<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/**
 * The data of a call; throws a ProblemError where it was answered with an error, and where there is none, since the caller
 * has it: the `not_modified` of a call with `If-None-Match`.
 */
export async function unwrap<Data>(asked: Promise<Answered<Data>>): Promise<Data> {
  const { data, error, response } = await asked;
  if (!response.ok) throw new ProblemError(toProblem(error, response), response);
  return data as Data;
}

const UNTYPED = { type: "about:blank" } as const;

/** What stands between may answer with anything. */
function toProblem(error: unknown, { status, statusText }: Response): Problem {
  if (typeof error === "object" && error !== null && "code" in error) return error as Problem;
  if (status === 304)
    return {
      ...UNTYPED,
      title: "Not Modified",
      status,
      detail: "Your version is current.",
      code: "not_modified",
    };
  const detail = typeof error === "string" && error !== "" ? error : `HTTP ${status}`;
  return { ...UNTYPED, title: statusText || "Error", status, detail, code: "unknown" };
}
