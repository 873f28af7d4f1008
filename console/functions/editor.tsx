/** The editor, loaded when it is first shown: CodeMirror in a shadow root, whose styles need no exception from the page's policy. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { CodeView } from "./code-view.ts";
import type { Mark } from "./mark.ts";

interface EditorProps {
  label: string;
  value: string;
  marks?: readonly Mark[];
  isReadOnly?: boolean;
  onInput?: (value: string) => void;
  /** Ctrl-S, or Cmd-S. */
  onSave?: () => void;
}

export function Editor({ label, value, marks = [], isReadOnly = false, onInput, onSave }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef({ value, marks, onInput, onSave });
  latest.current = { value, marks, onInput, onSave };
  const [view, setView] = useState<CodeView>();
  /** What was typed, the last of it last: while it comes back as `value`, what is in the editor is newer. */
  const typed = useRef<string[]>([]);

  useEffect(() => {
    let isGone = false;
    let opened: CodeView | undefined;
    void import("./code-view.ts").then(({ openCodeView }) => {
      if (isGone || !host.current) return;
      const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
      opened = openCodeView(root, {
        ...{ label, value: latest.current.value, isReadOnly },
        onInput: (text) => {
          typed.current.push(text);
          latest.current.onInput?.(text);
        },
        onSave: () => latest.current.onSave?.(),
      });
      setView(opened);
    });
    return () => {
      isGone = true;
      opened?.close();
    };
  }, [label, isReadOnly]);
  useEffect(() => {
    const at = typed.current.lastIndexOf(value);
    typed.current = at < 0 ? [] : typed.current.slice(at);
    if (at < 0) view?.show(value);
  }, [view, value]);
  useEffect(() => view?.mark(marks), [view, marks]);

  return (
    <div class="editor">
      <div ref={host} data-ready={view !== undefined}>
        {!view && <p class="muted">Loading the editor …</p>}
      </div>
    </div>
  );
}
