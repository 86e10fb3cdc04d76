// How the broker is doing, at a glance.
import { useData } from "../use";
import { useLive } from "../live";
import { brief, count, millis, plain, rate, span } from "../format";
import { Backlog, SendLatency, Throughput } from "../parts/lines";
import { Failure, Page, Tile } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { to } from "../router";
import type { Overview, QueueRate, Series } from "../types";

const columns: Column<QueueRate>[] = [
  { name: "Queue", show: (each) => <a href={to("queues", each.name)}>{plain(each.name)}</a> },
  { name: "Stored/s", number: true, show: (each) => rate(each.stored) },
  { name: "Settled/s", number: true, show: (each) => rate(each.settled) },
  { name: "Waiting", number: true, show: (each) => brief(each.lag) },
  { name: "In flight", number: true, wide: true, show: (each) => brief(each.inFlight) },
];

function Lines({ series }: { series: Series }) {
  return (
    <>
      <div class="card">
        <Throughput series={series} />
      </div>
      <div class="pair">
        <div class="card">
          <Backlog series={series} />
        </div>
        <div class="card">
          <SendLatency series={series} />
        </div>
      </div>
    </>
  );
}

export function OverviewPage() {
  const { series, newest, denied } = useLive();
  const { data, failure } = useData<Overview>("overview", 5);
  const aside = data && (
    <span class="muted">
      {data.version}, up {span(Date.now() - data.startedMs)}
    </span>
  );
  return (
    <Page title="Overview" aside={aside}>
      <Failure text={failure} />
      {denied && <p class="muted">Rates of all queues are not for you: {denied}</p>}
      <dl class="tiles" aria-label="Now">
        <Tile name="Stored" value={newest ? `${rate(newest.stored)}/s` : "–"} />
        <Tile name="Settled" value={newest ? `${rate(newest.settled)}/s` : "–"} />
        <Tile name="Send, p99" value={newest?.sendP99Ms != null ? millis(newest.sendP99Ms) : "–"} note={newest?.sendP50Ms != null ? `p50 ${millis(newest.sendP50Ms)}` : "no sends"} />
        <Tile name="Waiting" value={data ? brief((newest ?? data).lag) : "–"} note={data ? `${brief((newest ?? data).inFlight)} in flight` : undefined} />
        <Tile name="Dead letters" value={data ? brief(data.deadLetters) : "–"} wrong={!!data?.deadLetters} />
        <Tile name="Queues" value={data ? count(data.queues) : "–"} note={data ? `${brief(data.messages)} messages` : undefined} />
        <Tile name="Delayed" value={data ? brief(data.delayed) : "–"} />
        <Tile name="Connections" value={newest ? count(newest.connections) : "–"} />
      </dl>
      {!denied && <Lines series={series} />}
      <section class="card" aria-labelledby="busy">
        <h2 id="busy">Busy queues</h2>
        <Table
          caption="Queues that move now"
          columns={columns}
          rows={newest?.busy ?? []}
          id={(each) => each.name}
          empty={<>No queue moves at the moment. <a href={to("queues")}>All queues</a></>}
        />
      </section>
    </Page>
  );
}
