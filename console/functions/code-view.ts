/** CodeMirror as functions are written in it. Everything that is large is behind this module, which is imported on demand. */
import { type Completion, type CompletionContext, completeFromList } from "@codemirror/autocomplete";
import {
  javascript,
  javascriptLanguage,
  localCompletionSource,
  scopeCompletionSource,
} from "@codemirror/lang-javascript";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { CONTEXT_MEMBERS } from "./context-members.ts";
import type { Mark } from "./mark.ts";

export interface CodeView {
  /** Where it is another text than the one that stands there. */
  show(text: string): void;
  mark(marks: readonly Mark[]): void;
  close(): void;
}

interface CodeViewOptions {
  label: string;
  value: string;
  isReadOnly: boolean;
  onInput(text: string): void;
  onSave(): void;
}

export function openCodeView(root: ShadowRoot, options: CodeViewOptions): CodeView {
  const { label, value, isReadOnly, onInput, onSave } = options;
  const save = () => {
    onSave();
    return true;
  };
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: value,
      extensions: [
        basicSetup,
        javascript({ typescript: true }),
        javascriptLanguage.data.of({ autocomplete: completeContext }),
        javascriptLanguage.data.of({ autocomplete: localCompletionSource }),
        javascriptLanguage.data.of({ autocomplete: scopeCompletionSource(GUEST_GLOBALS) }),
        lintGutter(),
        theme,
        syntaxHighlighting(highlight),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
        EditorState.readOnly.of(isReadOnly),
        keymap.of([{ key: "Mod-s", preventDefault: true, run: save }]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onInput(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    show(text) {
      const standing = view.state.doc.toString();
      if (standing !== text) view.dispatch({ changes: { from: 0, to: standing.length, insert: text } });
    },
    mark: (marks) =>
      view.dispatch(
        setDiagnostics(
          view.state,
          marks.map((mark) => toDiagnostic(view, mark)),
        ),
      ),
    close: () => view.destroy(),
  };
}

function toDiagnostic({ state: { doc } }: EditorView, { line, column, message }: Mark): Diagnostic {
  const { from: start, to: end } = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const from = Math.min(start + Math.max(column - 1, 0), end);
  return { from, to: Math.min(from + 1, end), severity: "error", message };
}

/** What an isolate has, by the names that a browser has them by. */
const GUEST_GLOBALS = Object.fromEntries(
  ["fetch", "Request", "Response", "Headers", "URL", "URLSearchParams", "crypto", "console", "TextEncoder"]
    .concat([
      "TextDecoder",
      "AbortSignal",
      "AbortController",
      "structuredClone",
      "setTimeout",
      "clearTimeout",
    ])
    .concat([
      "JSON",
      "Math",
      "Object",
      "Array",
      "Promise",
      "Map",
      "Set",
      "Date",
      "Intl",
      "ReadableStream",
      "Blob",
    ])
    .map((name) => [name, (globalThis as Record<string, unknown>)[name]]),
);

const members = new Map(
  Object.entries(CONTEXT_MEMBERS).map(([path, list]) => [path, completeFromList(toOptions(list))]),
);

function toOptions(list: readonly (readonly [label: string, detail: string])[]): Completion[] {
  return list.map(([label, detail]) => ({
    label,
    detail,
    type: detail.startsWith("(") ? "method" : "property",
  }));
}

/** `ctx.`, `ctx.log.` and `ctx.kv.`; behind `env.` nobody knows. */
function completeContext(context: CompletionContext) {
  const before = context.matchBefore(/\bctx(?:\.\w+)*\.\w*$/);
  const path = before?.text.slice(0, before.text.lastIndexOf("."));
  return (path !== undefined && members.get(path)?.(context)) || null;
}

const theme = EditorView.theme({
  "&": {
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    fontSize: "13px",
    minHeight: "16rem",
    maxHeight: "34rem",
  },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", minHeight: "16rem" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in srgb, var(--idle-soft) 55%, transparent)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--busy-soft)",
  },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--accent-soft)",
    color: "var(--accent-strong)",
  },
  ".cm-panels": { backgroundColor: "var(--sunken)", color: "var(--text)" },
});

const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: [tags.comment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.typeName, tags.className], color: "var(--busy)" },
]);
