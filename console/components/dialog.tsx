import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** The browser's own: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the browser goes on: what is typed next belongs in it.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <div class="dialog">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  /** On the button, and on the dialog's own. */
  action: string;
  title: string;
  children: ComponentChildren;
  isBusy?: boolean;
  kind?: "primary" | "danger";
  /** One of several in a row: the dialog alone has its colour. */
  isQuiet?: boolean;
  onConfirm: () => Promise<unknown>;
}

/** A button that asks once more, saying what it does. */
export function Confirm({
  action,
  title,
  children,
  isBusy = false,
  kind = "danger",
  isQuiet = false,
  onConfirm,
}: ConfirmProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button {...(isQuiet ? {} : { kind })} onClick={() => setOpen(true)} disabled={isBusy}>
        {action}
      </Button>
      {isOpen && (
        <Dialog title={title} onClose={() => setOpen(false)}>
          <div class="muted">{children}</div>
          <footer>
            <Button onClick={() => setOpen(false)}>Keep as it is</Button>
            <Button kind={kind} disabled={isBusy} onClick={() => void onConfirm().then(() => setOpen(false))}>
              {action}
            </Button>
          </footer>
        </Dialog>
      )}
    </>
  );
}
