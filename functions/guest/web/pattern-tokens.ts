/** The tokens of pattern strings in the URL pattern standard. */
export type TokenType =
  | "open"
  | "close"
  | "regexp"
  | "name"
  | "char"
  | "escaped-char"
  | "other-modifier"
  | "asterisk"
  | "end"
  | "invalid-char";

export interface Token {
  type: TokenType;
  /** Where it begins in the input. */
  index: number;
  value: string;
}

const NAME_START = /[\p{ID_Start}$_]/u;
const NAME_PART = /[\p{ID_Continue}$\u200c\u200d]/u;

export function isNameCharacter(character: string, isFirst: boolean): boolean {
  return (isFirst ? NAME_START : NAME_PART).test(character);
}

function isAscii(character: string): boolean {
  return character.codePointAt(0)! < 0x80;
}

/** Strict throws TypeError where lenient answers an `invalid-char`. */
export function tokenize(input: string, policy: "strict" | "lenient"): Token[] {
  const tokens: Token[] = [];
  const characterAt = (at: number) => String.fromCodePoint(input.codePointAt(at)!);
  let at = 0;
  const add = (type: TokenType, end: number, value: string) => {
    tokens.push({ type, index: at, value });
    at = end;
  };
  const refuse = (end: number) => {
    if (policy === "strict") throw new TypeError(`The pattern '${input}' is not valid at ${at}`);
    add("invalid-char", end, input.slice(at, end));
  };
  while (at < input.length) {
    const character = characterAt(at);
    const next = at + character.length;
    if (character === "*") add("asterisk", next, character);
    else if (character === "+" || character === "?") add("other-modifier", next, character);
    else if (character === "{") add("open", next, character);
    else if (character === "}") add("close", next, character);
    else if (character === "\\") {
      if (next >= input.length) refuse(next);
      else {
        const escaped = characterAt(next);
        add("escaped-char", next + escaped.length, escaped);
      }
    } else if (character === ":") {
      let end = next;
      while (end < input.length && isNameCharacter(characterAt(end), end === next))
        end += characterAt(end).length;
      if (end === next) refuse(next);
      else add("name", end, input.slice(next, end));
    } else if (character === "(") {
      const end = findRegexpEnd(input, next, characterAt);
      if (end === undefined) refuse(next);
      else add("regexp", end, input.slice(next, end - 1));
    } else add("char", next, character);
  }
  tokens.push({ type: "end", index: at, value: "" });
  return tokens;
}

/** Past the closing parenthesis; undefined where the expression is none. */
function findRegexpEnd(
  input: string,
  start: number,
  characterAt: (at: number) => string,
): number | undefined {
  let depth = 1;
  let at = start;
  while (at < input.length) {
    const character = characterAt(at);
    if (!isAscii(character) || (at === start && character === "?")) return undefined;
    if (character === "\\") {
      if (at === input.length - 1 || !isAscii(characterAt(at + 1))) return undefined;
      at += 2;
      continue;
    }
    at++;
    if (character === ")") {
      depth--;
      if (depth === 0) return at - 1 === start ? undefined : at;
    } else if (character === "(") {
      depth++;
      if (input[at] !== "?") return undefined;
    }
  }
  return undefined;
}
