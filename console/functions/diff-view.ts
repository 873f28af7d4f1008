import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";

/** @returns what closes it */
export function openDiffView(root: ShadowRoot, from: string, to: string): () => void {
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: to,
      extensions: [
        unifiedMergeView({ original: from, mergeControls: false, collapseUnchanged: { margin: 2 } }),
        EditorState.readOnly.of(true),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "What changed" }),
        EditorView.theme({
          "&": { color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px" },
          ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
          ".cm-insertedLine, .cm-changedLine": { backgroundColor: "var(--good-soft) !important" },
          ".cm-deletedChunk": { backgroundColor: "var(--bad-soft) !important" },
          ".cm-changedText, .cm-deletedText": { background: "none !important", fontWeight: "600" },
          ".cm-collapsedLines": { background: "var(--sunken)", color: "var(--muted)" },
        }),
      ],
    }),
  });
  return () => view.destroy();
}
