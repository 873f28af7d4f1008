import { unwrap } from "../../client/client.ts";
import { BulkOffer } from "../bulk/bulk-offer.tsx";
import { Button } from "../components/button.tsx";
import { Confirm } from "../components/dialog.tsx";
import { TextField } from "../components/field.tsx";
import { Answered, Empty, Page } from "../components/page.tsx";
import { RunList } from "../components/run-list.tsx";
import { Pager } from "../components/table.tsx";
import { may } from "../data/may.ts";
import { useAction } from "../data/use-action.ts";
import { client, useQuery } from "../data/use-query.ts";
import { given, useSearch } from "../data/use-search.ts";
import { asQuery } from "../runs/runs-page.tsx";

export function DeadLettersPage() {
  const search = useSearch();
  const filter = given({
    function: search.get("function"),
    errorCode: search.get("errorCode"),
    taskId: search.get("taskId"),
  });
  const cursor = search.get("cursor");
  const query = useQuery(
    `dead letters ${search.text}`,
    () =>
      unwrap(
        client().GET("/v1/dead-letters", {
          params: { query: { ...asQuery(filter), limit: 50, ...given({ cursor }) } },
        }),
      ),
    { live: ({ type }) => type === "bellhop.run.dead" || type === "bellhop.run.queued" },
  );
  return (
    <Page
      title="Dead letters"
      about="Runs whose last attempt failed. They stay until they are redriven or discarded."
      actions={
        may("write") && (
          <BulkOffer
            resource="runs"
            filter={{ ...filter, state: "dead" }}
            isAll={false}
            actions={["redrive", "discard"]}
          />
        )
      }
    >
      <div class="filters">
        <TextField
          label="Function"
          type="search"
          value={filter["function"] ?? ""}
          onInput={(value) => search.set({ function: value })}
        />
        <TextField
          label="Error code"
          type="search"
          value={filter["errorCode"] ?? ""}
          onInput={(value) => search.set({ errorCode: value })}
        />
      </div>
      <Answered of={query}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty title="There are no dead letters.">
              <p>Nothing needs attention.</p>
            </Empty>
          ) : (
            <>
              <RunList
                runs={items}
                more={[
                  {
                    title: "Actions",
                    isUntitled: true,
                    isTight: true,
                    cell: ({ id }) => may("write") && <LetterActions id={id} onChanged={query.reload} />,
                  },
                ]}
              />
              <Pager search={search} nextCursor={nextCursor} />
            </>
          )
        }
      </Answered>
    </Page>
  );
}

function LetterActions({ id, onChanged }: { id: string; onChanged: () => void }) {
  const action = useAction();
  const params = { path: { id } };
  const redrive = () =>
    action.run(async () => {
      await unwrap(client().POST("/v1/dead-letters/{id}/redrive", { params }));
      onChanged();
      return "The run is being retried.";
    });
  const discard = () =>
    action.run(async () => {
      await unwrap(client().DELETE("/v1/dead-letters/{id}", { params }));
      onChanged();
      return "The dead letter was discarded.";
    });
  return (
    <div class="actions">
      <Button onClick={() => void redrive()} disabled={action.isBusy}>
        Redrive
      </Button>
      <Confirm
        action="Discard"
        isQuiet
        title="Discard this dead letter?"
        isBusy={action.isBusy}
        onConfirm={discard}
      >
        The run stays as failed, and is no longer a dead letter.
      </Confirm>
    </div>
  );
}
