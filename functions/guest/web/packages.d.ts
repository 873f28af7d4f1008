/** The parts used of packages that bring no types. */
declare module "whatwg-url" {
  export const URL: unknown;
  export const URLSearchParams: unknown;
  export interface UrlRecord {
    scheme: string;
    username: string;
    password: string;
    host: string | number | number[] | null;
    port: number | null;
    path: string | string[];
    query: string | null;
    fragment: string | null;
  }
  export function basicURLParse(
    input: string,
    options?: { baseURL?: UrlRecord | null; url?: UrlRecord; stateOverride?: string },
  ): UrlRecord | null;
  export function serializeHost(host: string | number | number[]): string;
  export function serializePath(url: UrlRecord): string;
}
