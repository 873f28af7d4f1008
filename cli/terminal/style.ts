import pico from "picocolors";

export type Style = ReturnType<typeof pico.createColors>;

export const createStyle = (hasColours: boolean): Style => pico.createColors(hasColours);

/** https://no-color.org: any text but an empty one. */
export function hasColours(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
