/** What a function's last runs took: cold and warm, time, processor, memory. */
import { type Schemas, unwrap } from "../../client/client.ts";
import { Answered } from "../components/page.tsx";
import { client, useQuery } from "../data/use-query.ts";
import { formatBytes, formatDuration } from "../format/duration.ts";

type Figures = Schemas["FunctionFigures"];
type Spread = NonNullable<Figures["cpuMs"]>;

const EVERY_MS = 15_000;

export function FunctionFigures({ name }: { name: string }) {
  const query = useQuery(
    `figures ${name}`,
    () => unwrap(client().GET("/v1/functions/{name}/figures", { params: { path: { name } } })),
    { everyMs: EVERY_MS },
  );
  return (
    <Answered of={query}>{(figures) => (figures.runs === 0 ? null : <Stats figures={figures} />)}</Answered>
  );
}

function Stats({ figures: { runs, succeeded, cold, warm, ...spreads } }: { figures: Figures }) {
  const told = cold + warm;
  const percent = (part: number, whole: number) =>
    `${(100 * part) / whole >= 99.95 || part === 0 ? Math.round((100 * part) / whole) : ((100 * part) / whole).toFixed(1)} %`;
  return (
    <dl class="stats">
      <div>
        <dt>Succeeded</dt>
        <dd>
          {percent(succeeded, runs)} <small class="below">of the last {runs.toLocaleString("en-GB")}</small>
        </dd>
      </div>
      <div>
        <dt>Cold starts</dt>
        <dd>
          {told === 0 ? "–" : percent(cold, told)}
          {spreads.coldStartMs && (
            <small class="below">in {formatDuration(spreads.coldStartMs.median)}</small>
          )}
        </dd>
      </div>
      <Stat name="Duration" of={spreads.durationMs} format={formatDuration} />
      <Stat name="Processor" of={spreads.cpuMs} format={formatShort} />
      <Stat name="Memory held" of={spreads.heldBytes} format={formatBytes} />
    </dl>
  );
}

/** Most runs take less than a millisecond of it. */
const formatShort = (ms: number) => (ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms));

function Stat({ name, of, format }: { name: string; of: Spread | null; format: (value: number) => string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {of ? format(of.median) : "–"}
        {of && (
          <small class="below">
            95 % within {format(of.p95)}, at most {format(of.max)}
          </small>
        )}
      </dd>
    </div>
  );
}
