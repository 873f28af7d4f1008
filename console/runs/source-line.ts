/** The first place of a stack that is one of the revision's files. Pure. */
interface SourceLine {
  path: string;
  line: number;
  text: string;
}

type Files = Record<string, { source?: string }>;

const PLACE = /([^\s()]+?):(\d+):\d+/g;

export function findSourceLine(stack: string, files: Files): SourceLine | undefined {
  for (const [, place, line] of stack.matchAll(PLACE)) {
    const path = Object.keys(files).find((each) => place === each || place!.endsWith(`/${each}`));
    const text = path === undefined ? undefined : files[path]?.source;
    if (path !== undefined && text !== undefined) return { path, line: Number(line), text };
  }
  return undefined;
}
