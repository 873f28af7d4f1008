/** The leading revision's files, to read and to change. */
import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { ChoiceField } from "../components/field.tsx";
import { Answered } from "../components/page.tsx";
import { toast } from "../components/toasts.tsx";
import { may } from "../data/may.ts";
import { toFault } from "../data/problem.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { BuildFaults } from "./build-faults.tsx";
import { deploy, marksOf } from "./deploy.ts";
import { Editor } from "./editor.tsx";
import type { Fn } from "./fn.ts";

type Revision = Schemas["RevisionWithFiles"];

export function CodeTab({ fn, onDeployed }: { fn: Fn; onDeployed: () => void }) {
  const { id } = fn.revision;
  const query = useQuery(`source ${id}`, () =>
    unwrap(
      client().GET("/v1/functions/{name}/revisions/{revision}", {
        params: { path: { name: fn.name, revision: id }, query: { source: "true" } },
      }),
    ),
  );
  return (
    <Answered of={query}>
      {(revision) => <Files key={revision.id} {...{ name: fn.name, revision, onDeployed }} />}
    </Answered>
  );
}

interface FilesProps {
  name: string;
  revision: Revision;
  onDeployed: () => void;
}

function Files({ name, revision, onDeployed }: FilesProps) {
  const texts = Object.fromEntries(
    Object.entries(revision.files).map(([path, { source = "" }]): [string, string] => [path, source]),
  );
  const [files, setFiles] = useState(texts);
  const [path, setPath] = useState(revision.entry in texts ? revision.entry : Object.keys(texts)[0]!);
  const action = useAction({ isQuiet: true });
  const fault = action.error === undefined ? undefined : toFault(action.error);
  const isChanged = Object.entries(files).some(([each, text]) => texts[each] !== text);
  const paths = Object.keys(files);
  const save = () =>
    void action.run(async () => {
      const { deployed } = await deploy(name, { files, entry: revision.entry });
      toast(`Revision ${deployed.number} is deployed.`);
      onDeployed();
    });
  return (
    <div class="section">
      <div class="section-head">
        {paths.length > 1 ? (
          <ChoiceField
            label="File"
            value={path}
            options={paths.map((each) => [each, each] as const)}
            onChange={setPath}
          />
        ) : (
          <code>{path}</code>
        )}
        {may("deploy") && (
          <div class="actions">
            {isChanged && <Button onClick={() => setFiles(texts)}>Discard changes</Button>}
            <Button kind="primary" onClick={save} disabled={!isChanged || action.isBusy}>
              {action.isBusy ? "Deploying …" : "Deploy"}
            </Button>
          </div>
        )}
      </div>
      <Editor
        key={path}
        label={path}
        value={files[path] ?? ""}
        isReadOnly={!may("deploy")}
        onInput={(text) => setFiles((before) => ({ ...before, [path]: text }))}
        onSave={save}
        marks={marksOf(fault, path)}
      />
      <BuildFaults fault={fault} />
      <p class="muted small">
        Revision {revision.number}. Ctrl S deploys; the next runs use the new revision.
      </p>
    </div>
  );
}
