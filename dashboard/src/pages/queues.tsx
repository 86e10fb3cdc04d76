// All queues, with what happens in them now.
import { useState } from "preact/hooks";
import { change } from "../api";
import { brief, plain, rate } from "../format";
import { useLive } from "../live";
import { Input } from "../parts/field";
import { Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { go, to } from "../router";
import type { Queue, QueueRate } from "../types";
import { useAction } from "../use";
import { useQueues } from "../queues";

function columns(rates: Map<string, QueueRate>): Column<Queue>[] {
  return [
    { name: "Queue", show: (queue) => <a href={to("queues", queue.name)}>{plain(queue.name)}</a> },
    { name: "Messages", number: true, show: (queue) => brief(queue.messages) },
    { name: "Stored/s", number: true, show: (queue) => rate(rates.get(queue.name)?.stored ?? 0) },
    { name: "Settled/s", number: true, wide: true, show: (queue) => rate(rates.get(queue.name)?.settled ?? 0) },
    { name: "Delayed", number: true, wide: true, show: (queue) => brief(queue.delayed) },
    { name: "Partitions", number: true, wide: true, show: (queue) => queue.partitions },
    { name: "Groups", show: (queue) => queue.groups.join(", ") },
  ];
}

function Create({ made }: { made: () => void }) {
  const [name, setName] = useState("");
  const [partitions, setPartitions] = useState("1");
  const [busy, run] = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      const { name: full } = await change<Queue>("POST", "queues", { name: name.trim(), partitions: Number(partitions) });
      made();
      go("queues", full);
      return `Created ${plain(full)}`;
    });
  };
  return (
    <details class="card">
      <summary>
        <h2>Create a queue</h2>
      </summary>
      <form class="row" onSubmit={submit}>
        <Input label="Name" value={name} set={setName} required grow />
        <Input label="Partitions" type="number" min="1" value={partitions} set={setPartitions} required />
        <button class="main" disabled={busy}>
          Create
        </button>
      </form>
    </details>
  );
}

export function QueuesPage() {
  const { data, failure, reload } = useQueues(5);
  const { newest } = useLive();
  const [sought, setSought] = useState("");
  const rates = new Map((newest?.busy ?? []).map((each) => [each.name, each]));
  const rows = data?.filter((queue) => queue.name.toLowerCase().includes(sought.toLowerCase()));
  return (
    <Page title="Queues">
      <div class="card">
        <div class="row above-table">
          <Input label="Name contains" value={sought} set={setSought} />
        </div>
        {rows ? (
          <Table caption="Queues" columns={columns(rates)} rows={rows} id={(queue) => queue.name} empty="There is no such queue." />
        ) : (
          <Waiting failure={failure} />
        )}
      </div>
      <Create made={reload} />
    </Page>
  );
}
