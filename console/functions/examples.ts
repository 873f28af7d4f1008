/**
 * Inputs that somebody wants to try again: kept by this tab. What a browser keeps for longer is shared by all of an origin,
 * and pages of functions have the same one.
 */
export interface Example {
  title: string;
  input: string;
}

const MOST = 20;
const keyOf = (name: string) => `bellhop.examples.${name}`;

export function readExamples(name: string): readonly Example[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(keyOf(name)) ?? "[]");
    return Array.isArray(kept) ? (kept as Example[]) : [];
  } catch {
    return [];
  }
}

function write(name: string, examples: readonly Example[]): readonly Example[] {
  sessionStorage.setItem(keyOf(name), JSON.stringify(examples));
  return examples;
}

const without = (name: string, title: string) => readExamples(name).filter((each) => each.title !== title);

export const saveExample = (name: string, example: Example) =>
  write(name, [example, ...without(name, example.title)].slice(0, MOST));

export const removeExample = (name: string, title: string) => write(name, without(name, title));
