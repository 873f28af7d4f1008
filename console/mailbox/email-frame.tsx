/**
 * An e-mail's HTML in a frame that has no origin, runs nothing and loads nothing: its sandbox is empty, and a policy of its
 * own comes before its HTML. By the page's policy, which it inherits, it could load what the API's origin serves, and
 * that is also what strangers' functions serve. It is the one place where HTML is not made by the console, and so the one policy of trusted types.
 */
import { useEffect, useRef } from "preact/hooks";

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createHTML: (html: string) => string },
  ): { createHTML(html: string): string };
}

const NOTHING_LOADS = `<meta http-equiv="content-security-policy" content="default-src 'none'">`;

let policy: { createHTML(html: string): string } | undefined;

/** Browsers without trusted types take the text as it is. */
function trust(html: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  policy ??= trustedTypes?.createPolicy("email", { createHTML: (text) => text }) ?? {
    createHTML: (text) => text,
  };
  return policy.createHTML(html);
}

export function EmailFrame({ html }: { html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    if (frame.current) frame.current.srcdoc = trust(NOTHING_LOADS + html);
  }, [html]);
  return <iframe ref={frame} class="email-frame" title="The e-mail" sandbox="" />;
}
