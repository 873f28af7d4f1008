/** The tags of one revision: names by which calls reach it, whatever the traffic. */
import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { TextField } from "../components/field.tsx";
import { Problem } from "../components/page.tsx";
import { useAction } from "../data/use-action.ts";
import { client } from "../data/use-query.ts";

interface TagsDialogProps {
  name: string;
  revision: Schemas["ListedRevision"];
  onClose: () => void;
  onChanged: () => void;
}

export function TagsDialog({ name, revision: { id, number, tags }, onClose, onChanged }: TagsDialogProps) {
  const [tag, setTag] = useState("");
  const action = useAction({ isQuiet: true });
  const change = (work: () => Promise<string>) =>
    void action.run(async () => {
      const said = await work();
      setTag("");
      onChanged();
      return said;
    });
  const give = () =>
    change(async () => {
      const params = { path: { name, tag: tag.trim() } };
      await unwrap(client().PUT("/v1/functions/{name}/tags/{tag}", { params, body: { revision: id } }));
      return `Revision ${number} has the tag ${tag.trim()}.`;
    });
  const take = (given: string) =>
    change(async () => {
      const params = { path: { name, tag: given } };
      await unwrap(client().DELETE("/v1/functions/{name}/tags/{tag}", { params }));
      return `The tag ${given} was removed.`;
    });
  return (
    <Dialog title={`Tags of revision ${number}`} onClose={onClose}>
      <p class="muted">
        <code>{`${name}@tag`}</code> calls the revision with the tag. A tag belongs to one revision: setting
        it here moves it.
      </p>
      {tags.map((given) => (
        <div key={given} class="actions">
          <code>{given}</code>
          <Button
            kind="plain"
            label={`Remove the tag ${given}`}
            onClick={() => take(given)}
            disabled={action.isBusy}
          >
            Remove
          </Button>
        </div>
      ))}
      <TextField label="Tag" value={tag} onInput={setTag} placeholder="next" isCode />
      {action.error !== undefined && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Close</Button>
        <Button kind="primary" onClick={give} disabled={action.isBusy || tag.trim() === ""}>
          Set the tag
        </Button>
      </footer>
    </Dialog>
  );
}
