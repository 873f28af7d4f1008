import { type Schemas, unwrap } from "../../client/client.ts";
import type { Fault } from "../data/problem.ts";
import { client } from "../data/use-query.ts";
import type { Mark } from "./mark.ts";

type Deployed = Schemas["DeployedFunction"];

export interface Upload {
  files: Record<string, string>;
  entry?: string;
  tag?: string;
  /** It gets no traffic yet: it is reached by its tag or its number alone. */
  isDark?: boolean;
}

export async function deploy(name: string, { files, entry, tag, isDark }: Upload): Promise<Deployed> {
  const body = {
    files,
    ...(entry !== undefined && { entry }),
    ...(tag ? { tag } : {}),
    ...(isDark ? { traffic: 0 as const } : {}),
  };
  return (await unwrap(
    client().PUT("/v1/functions/{name}", { params: { path: { name } }, body }),
  )) as Deployed;
}

/** Where the compiler objects to a file. */
export function marksOf(fault: Fault | undefined, path: string): Mark[] {
  return (fault?.fields ?? [])
    .filter(({ file, line }) => line !== undefined && (file === undefined || file === path))
    .map(({ line, column, message }) => ({ line: line!, column: column ?? 1, message }));
}
