/** What changed from one revision to the one before: line by line where both texts are there. */
import { useEffect, useRef } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { Answered } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";

type Listed = Schemas["ListedRevision"];

interface Compared {
  diff: Schemas["RevisionDiff"];
  before: Record<string, string>;
  after: Record<string, string>;
}

async function readSource(name: string, revision: string): Promise<Record<string, string>> {
  const { files } = await unwrap(
    client().GET("/v1/functions/{name}/revisions/{revision}", {
      params: { path: { name, revision }, query: { source: "true" } },
    }),
  );
  return Object.fromEntries(
    Object.entries(files).map(([path, { source = "" }]): [string, string] => [path, source]),
  );
}

async function compare(name: string, revision: string): Promise<Compared> {
  const params = { path: { name, revision } };
  const diff = await unwrap(client().GET("/v1/functions/{name}/revisions/{revision}/diff", { params }));
  const [before, after] = await Promise.all([
    diff.from ? readSource(name, diff.from.id) : {},
    readSource(name, diff.to.id),
  ]);
  return { diff, before, after };
}

interface RevisionDiffProps {
  name: string;
  revision: Listed;
  onClose: () => void;
}

export function RevisionDiff({ name, revision: { id, number }, onClose }: RevisionDiffProps) {
  const query = useQuery(`diff ${id}`, () => compare(name, id));
  return (
    <Dialog title={`What revision ${number} changed`} onClose={onClose}>
      <Answered of={query}>
        {({ diff, before, after }) => (
          <>
            {diff.files.length === 0 && <p class="muted">No file changed.</p>}
            {diff.files.map(({ path, change }) => (
              <div class="section" key={path}>
                <h3>
                  {path} <span class="muted">{change}</span>
                </h3>
                <TextDiff from={before[path] ?? ""} to={after[path] ?? ""} />
              </div>
            ))}
            {Object.entries(diff.limits).map(([limit, change]) => (
              <p key={limit}>
                <code>{limit}</code> {change?.from ?? "none"} → {change?.to ?? "none"}
              </p>
            ))}
            {Object.entries(diff.env).map(([setting, change]) => (
              <p key={setting}>
                <code>{setting}</code> {change.from ?? "not set"} → {change.to ?? "not set"}
              </p>
            ))}
          </>
        )}
      </Answered>
      <footer>
        <Button onClick={onClose}>Close</Button>
      </footer>
    </Dialog>
  );
}

function TextDiff({ from, to }: { from: string; to: string }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let isGone = false;
    let close: (() => void) | undefined;
    void import("./diff-view.ts").then(({ openDiffView }) => {
      if (isGone || !host.current) return;
      const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
      close = openDiffView(root, from, to);
    });
    return () => {
      isGone = true;
      close?.();
    };
  }, [from, to]);
  return (
    <div class="editor">
      <div ref={host} />
    </div>
  );
}
