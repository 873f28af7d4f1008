/** The functions that are called, the same everywhere: as a handler of requests, and as one that is given its input. */

export interface CalledFunction {
  name: string;
  /** `export default { fetch }`, as workerd and functions with a URL have it. */
  fetchSource: string;
  /** `export default async (input) => …`. */
  plainSource: string;
  bodies: string[];
  /** What each body is answered. */
  answers: string[];
}

function toCalled<I>(name: string, work: (input: I) => unknown, inputs: I[]): CalledFunction {
  // Node leaves the types out where it loads this file.
  const definition = `const work = ${work};`;
  return {
    name,
    fetchSource: `${definition}
export default { async fetch(request) { return Response.json(work(await request.json())); } };`,
    plainSource: `${definition}\nexport default async (input) => work(input);`,
    bodies: inputs.map((input) => JSON.stringify(input)),
    answers: inputs.map((input) => JSON.stringify(work(input))),
  };
}

const DIFFERENT_INPUTS = 16;

export const TRIVIAL = toCalled(
  "trivial",
  (e: { a: number }) => ({ ok: e.a + 1 }),
  Array.from({ length: DIFFERENT_INPUTS }, (_, a) => ({ a })),
);

interface Row {
  id: number;
  name: string;
  price: number;
  count: number;
  note: string;
}

/** 20 KB of JSON parsed, mapped, hashed. */
export const MEDIUM = toCalled(
  "medium",
  ({ rows }: { rows: Row[] }) => {
    let hash = 0;
    const mapped = rows.map((row) => ({ ...row, total: row.price * row.count }));
    for (const char of JSON.stringify(mapped)) hash = (hash * 31 + char.charCodeAt(0)) | 0;
    return { rows: mapped.length, hash };
  },
  Array.from({ length: DIFFERENT_INPUTS }, (_, nth) => ({
    rows: Array.from({ length: 250 }, (_, id) => ({
      ...{ id, name: `row ${id}`, price: id * 1.5, count: (id + nth) % 7 },
      note: "some words here",
    })),
  })),
);

/** Each answers another thing. */
export const oneOfMany = (nth: number): CalledFunction => {
  const { name, ...trivial } = TRIVIAL;
  const replace = (text: string) => text.replace("e.a + 1", `e.a + ${nth}`);
  return {
    ...trivial,
    name: `${name}-${nth}`,
    fetchSource: replace(trivial.fetchSource),
    plainSource: replace(trivial.plainSource),
    answers: trivial.bodies.map((_, a) => JSON.stringify({ ok: a + nth })),
  };
};
