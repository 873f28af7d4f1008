import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Code, copyText } from "../components/code.tsx";
import { Confirm, Dialog } from "../components/dialog.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { Badge } from "../components/state.tsx";
import { type Column, Pager, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";
import { NewKeyForm } from "./new-key-form.tsx";

type Key = Schemas["Key"];

const isValid = ({ revokedAt, expiresAt }: Key) =>
  revokedAt === null && (expiresAt === null || Date.parse(expiresAt) > Date.now());

const stateOf = (key: Key) => (key.revokedAt ? "revoked" : isValid(key) ? "valid" : "expired");

export function KeysPage() {
  const search = useSearch();
  const cursor = search.get("cursor");
  const [isMaking, setMaking] = useState(false);
  const [secret, setSecret] = useState<string>();
  const action = useAction();
  const query = useQuery(`keys ${cursor}`, () =>
    unwrap(client().GET("/v1/keys", { params: { query: { limit: 50, ...given({ cursor }) } } })),
  );
  const revoke = (id: string) =>
    action.run(async () => {
      await unwrap(client().DELETE("/v1/keys/{id}", { params: { path: { id } } }));
      query.reload();
      return "The key is revoked: it stops working within a second.";
    });
  const rotate = (id: string) =>
    action.run(async () => {
      const { key } = await unwrap(client().POST("/v1/keys/{id}/rotate", { params: { path: { id } } }));
      setSecret(key);
      query.reload();
    });
  const columns: Column<Key>[] = [
    {
      title: "Key",
      cell: ({ name, ending, functions }) => (
        <>
          <strong>{name}</strong> {ending && <code class="muted">…{ending}</code>}
          {functions && <span class="sub">for {functions.join(", ")} alone</span>}
        </>
      ),
    },
    {
      title: "State",
      isTight: true,
      cell: (key) => <Badge tone={isValid(key) ? "good" : "idle"}>{stateOf(key)}</Badge>,
    },
    { title: "May", cell: ({ scopes }) => scopes.join(", ") },
    {
      title: "Expires",
      isTight: true,
      cell: ({ expiresAt }) => (expiresAt ? <Time at={expiresAt} /> : <span class="muted">never</span>),
    },
    { title: "Last used", isTight: true, cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
    {
      title: "Actions",
      isUntitled: true,
      isTight: true,
      cell: (key) =>
        isValid(key) && (
          <div class="actions">
            <Confirm
              action="Rotate"
              isQuiet
              kind="primary"
              title={`Give ${key.name} a new secret?`}
              isBusy={action.isBusy}
              onConfirm={() => rotate(key.id)}
            >
              The previous secret stays valid for an hour.
            </Confirm>
            <Confirm
              action="Revoke"
              isQuiet
              title={`Revoke the key ${key.name}?`}
              isBusy={action.isBusy}
              onConfirm={() => revoke(key.id)}
            >
              It stops working everywhere within a second.
            </Confirm>
          </div>
        ),
    },
  ];
  return (
    <Page
      title="Keys"
      about="Keys give access to this namespace, with scopes and an expiry."
      actions={
        <Button kind="primary" onClick={() => setMaking(true)}>
          New key
        </Button>
      }
    >
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title="No keys have been created here.">
              <p>
                The keys of <code>BELLHOP_API_KEY</code> are the operator's, and are not listed.
              </p>
            </Empty>
          ) : (
            <>
              <Table caption="Keys" columns={columns} rows={items} keyOf={({ id }) => id} />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
      {isMaking && (
        <Dialog title="New key" onClose={() => setMaking(false)}>
          <NewKeyForm
            onClose={() => setMaking(false)}
            onMade={(made) => {
              setMaking(false);
              setSecret(made);
              query.reload();
            }}
          />
        </Dialog>
      )}
      {secret && (
        <Dialog title="Save this key" onClose={() => setSecret(undefined)}>
          <p class="muted">It is shown only this once.</p>
          <Code label="Key">{secret}</Code>
          <footer>
            <Button onClick={() => void copyText(secret)}>Copy</Button>
            <Button kind="primary" onClick={() => setSecret(undefined)}>
              I have saved it
            </Button>
          </footer>
        </Dialog>
      )}
    </Page>
  );
}
