import { useState } from "preact/hooks";
import { type Schemas, unwrap } from "../../client/client.ts";
import { Button } from "../components/button.tsx";
import { Confirm, Dialog } from "../components/dialog.tsx";
import { TextField } from "../components/field.tsx";
import { Answered, Problem, Section } from "../components/page.tsx";
import { Badge } from "../components/state.tsx";
import { type Column, Table } from "../components/table.tsx";
import { Time } from "../components/time.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { formatDuration } from "../format/duration.ts";
import type { Fn } from "./fn.ts";
import { RevisionDiff } from "./revision-diff.tsx";
import { TagsDialog } from "./tags-dialog.tsx";

type Listed = Schemas["ListedRevision"];

export function RevisionsTab({ fn, onChanged }: { fn: Fn; onChanged: () => void }) {
  const { name } = fn;
  const [compared, setCompared] = useState<Listed>();
  const [tagged, setTagged] = useState<string>();
  const [isSplitting, setSplitting] = useState(false);
  const action = useAction();
  const query = useQuery(`revisions ${name} ${fn.updatedAt}`, () =>
    unwrap(
      client().GET("/v1/functions/{name}/revisions", { params: { path: { name }, query: { limit: 50 } } }),
    ),
  );
  const params = { path: { name } };
  const rollBack = (revision?: number) =>
    action.run(async () => {
      await unwrap(
        client().POST("/v1/functions/{name}/rollback", {
          params,
          body: revision === undefined ? {} : { revision },
        }),
      );
      onChanged();
      return revision === undefined
        ? "The previous traffic is restored."
        : `All traffic goes to revision ${revision}.`;
    });
  const columns: Column<Listed>[] = [
    {
      title: "Revision",
      cell: ({ number, tags, contentHash }) => (
        <>
          <strong>{number}</strong>{" "}
          {tags.map((tag) => (
            <Badge key={tag} tone="busy">{`@${tag}`}</Badge>
          ))}
          <span class="sub mono">{contentHash.slice(0, 12)}</span>
        </>
      ),
    },
    {
      title: "Traffic",
      isTight: true,
      isRight: true,
      cell: ({ percent }) => <span class="number">{percent} %</span>,
    },
    {
      title: "Limits",
      cell: ({ limits }) => (
        <span class="small">
          {limits.memoryMb} MB, {formatDuration(limits.cpuMs)} processor, {formatDuration(limits.wallMs)} wall
          time
        </span>
      ),
    },
    {
      title: "Cold start",
      isTight: true,
      isRight: true,
      cell: ({ coldStartMs }) =>
        coldStartMs === null ? (
          <span class="muted">not yet</span>
        ) : (
          <span class="number">{formatDuration(coldStartMs)}</span>
        ),
    },
    { title: "Deployed", isTight: true, cell: ({ createdAt }) => <Time at={createdAt} /> },
    {
      title: "Actions",
      isUntitled: true,
      isTight: true,
      cell: (revision) => (
        <div class="actions">
          {revision.number > 1 && <Button onClick={() => setCompared(revision)}>Changes</Button>}
          {may("deploy") && <Button onClick={() => setTagged(revision.id)}>Tags</Button>}
          {may("deploy") && revision.percent < 100 && (
            <Confirm
              action="Send all traffic"
              isQuiet
              kind="primary"
              title={`Send all traffic to revision ${revision.number}?`}
              isBusy={action.isBusy}
              onConfirm={() => rollBack(revision.number)}
            >
              It runs with the settings it was deployed with. Active runs finish on their revision.
            </Confirm>
          )}
        </div>
      ),
    },
  ];
  return (
    <Answered of={query}>
      {({ items }) => (
        <Section
          title="Revisions"
          aside={
            may("deploy") && (
              <>
                {items.length > 1 && <Button onClick={() => setSplitting(true)}>Split traffic</Button>}
                {items.length > 1 && (
                  <Confirm
                    action="Roll back"
                    isQuiet
                    kind="primary"
                    title="Restore the traffic before the last change?"
                    isBusy={action.isBusy}
                    onConfirm={() => rollBack()}
                  >
                    A second rollback undoes the first.
                  </Confirm>
                )}
              </>
            )
          }
        >
          <Table caption="Revisions" columns={columns} rows={items} keyOf={({ id }) => id} />
          {compared && (
            <RevisionDiff name={name} revision={compared} onClose={() => setCompared(undefined)} />
          )}
          {items
            .filter(({ id }) => id === tagged)
            .map((revision) => (
              <TagsDialog
                key={revision.id}
                {...{ name, revision }}
                onClose={() => setTagged(undefined)}
                onChanged={() => {
                  query.reload();
                  onChanged();
                }}
              />
            ))}
          {isSplitting && (
            <SplitDialog
              {...{ name, revisions: items }}
              onClose={() => setSplitting(false)}
              onSplit={() => {
                setSplitting(false);
                onChanged();
              }}
            />
          )}
        </Section>
      )}
    </Answered>
  );
}

interface SplitProps {
  name: string;
  revisions: readonly Listed[];
  onClose: () => void;
  onSplit: () => void;
}

const MOST_SHOWN = 6;

function SplitDialog({ name, revisions, onClose, onSplit }: SplitProps) {
  const shown = revisions.slice(0, MOST_SHOWN);
  const [shares, setShares] = useState(
    () => new Map(shown.map(({ number, percent }) => [number, String(percent)])),
  );
  const action = useAction({ isQuiet: true });
  const sum = [...shares.values()].reduce((total, share) => total + (Number(share) || 0), 0);
  const split = () =>
    void action.run(async () => {
      const body = Object.fromEntries(
        [...shares]
          .map(([number, share]) => [number, Number(share)] as const)
          .filter(([, share]) => share > 0),
      );
      await unwrap(client().PUT("/v1/functions/{name}/traffic", { params: { path: { name } }, body }));
      onSplit();
      return "The traffic is split.";
    });
  return (
    <Dialog title="Split traffic" onClose={onClose}>
      <p class="muted">Whole percentages that add up to 100. The next runs see the change.</p>
      {shown.map(({ number }) => (
        <TextField
          key={number}
          label={`Revision ${number}, in percent`}
          type="number"
          value={shares.get(number) ?? "0"}
          onInput={(value) => setShares((before) => new Map(before).set(number, value))}
        />
      ))}
      <p class={sum === 100 ? "muted" : "problem"}>Together {sum} %.</p>
      {action.error !== undefined && <Problem error={action.error} />}
      <footer>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button kind="primary" onClick={split} disabled={sum !== 100 || action.isBusy}>
          Split
        </Button>
      </footer>
    </Dialog>
  );
}
