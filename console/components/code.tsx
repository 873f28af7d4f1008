import { toast } from "./toasts.tsx";

export function Code({ label, children }: { label: string; children: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by the keyboard too
    <section class="code" aria-label={label} tabIndex={0}>
      <pre>{children}</pre>
    </section>
  );
}

export const toJson = (value: unknown) => JSON.stringify(value, null, 2);

export function Json({ label, value }: { label: string; value: unknown }) {
  return <Code label={label}>{value === undefined ? "" : toJson(value)}</Code>;
}

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy: select the text and copy it.", "bad");
  }
}
