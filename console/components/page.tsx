/** The frame of each view: what it is, what can be done here, and what is said while it loads, fails or is empty. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Link } from "wouter-preact";
import { toFault } from "../data/problem.ts";

interface PageProps {
  title: string;
  /** What stands above it: a list, by its name and address. */
  within?: readonly [name: string, to: string];
  about?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, within, about, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Bellhop`;
  }, [title]);
  return (
    <main class="page" id="main" tabIndex={-1}>
      <header class="page-head">
        <div>
          {within && (
            <p class="crumb">
              <Link href={within[1]}>{within[0]}</Link>
            </p>
          )}
          <h1>{title}</h1>
          {about && <div class="about">{about}</div>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

interface SectionProps {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, aside, children }: SectionProps) {
  return (
    <section class="section">
      <div class="section-head">
        <h2>{title}</h2>
        {aside && <div class="actions small muted">{aside}</div>}
      </div>
      {children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export function Help({ address }: { address: string }) {
  return (
    <a href={address} target="_blank" rel="noopener">
      What to do about it
    </a>
  );
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const { message, code, help } = toFault(error);
  return (
    <div class="problem" role="alert">
      <p>{message}</p>
      <p class="small">
        <code>{code}</code>
        {help && (
          <>
            {" · "}
            <Help address={help} />
          </>
        )}
        {retry && (
          <>
            {" · "}
            <button type="button" class="button" data-kind="plain" onClick={retry}>
              Try again
            </button>
          </>
        )}
      </p>
    </div>
  );
}

export const Loading = () => (
  <p class="muted" role="status">
    Loading …
  </p>
);

interface AnsweredProps<Data> {
  of: { data: Data | undefined; error: unknown; isLoading: boolean; reload(): void };
  children: (data: Data) => ComponentChildren;
}

/** What was answered; what was wrong stands above what was known before. */
export function Answered<Data>({ of: { data, error, reload }, children }: AnsweredProps<Data>) {
  return (
    <>
      {error !== undefined && <Problem error={error} retry={reload} />}
      {data !== undefined ? children(data) : error === undefined && <Loading />}
    </>
  );
}
