// Messages that are not due yet, and taking them back.
import { change, path } from "../api";
import { brief, bytes, plain, several, span, time } from "../format";
import { Failure, Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { useQueues } from "../queues";
import { to } from "../router";
import type { Delayed, Queue } from "../types";
import { useAction, useData } from "../use";

const queueColumns: Column<Queue>[] = [
  { name: "Queue", show: (queue) => <a href={to("delayed", queue.name)}>{plain(queue.name)}</a> },
  { name: "Delayed", number: true, show: (queue) => brief(queue.delayed) },
];

function Overview() {
  const { data, failure } = useQueues(5);
  const rows = data?.filter((queue) => queue.delayed > 0);
  return (
    <Page title="Delayed">
      <div class="card">
        {rows ? (
          <Table caption="Queues with delayed messages" columns={queueColumns} rows={rows} id={(queue) => queue.name} empty="No message waits for its time." />
        ) : (
          <Waiting failure={failure} />
        )}
      </div>
    </Page>
  );
}

function Waits({ queue }: { queue: string }) {
  const { data, failure, reload } = useData<{ messages: Delayed[] }>(`${path("queues", queue, "delayed")}?limit=1000`, 3);
  const [busy, run] = useAction();
  const cancel = (message: Delayed): void =>
    void run(async () => {
      await change("DELETE", path("queues", queue, "delayed", message.messageId));
      reload();
      return "Taken back: it will not be delivered";
    });
  const columns: Column<Delayed>[] = [
    { name: "Due", show: (message) => time(message.dueTimestamp) },
    { name: "In", number: true, show: (message) => span(message.dueTimestamp - Date.now()) },
    { name: "Key", show: (message) => message.messageKey ?? <span class="muted">no key</span> },
    { name: "Size", number: true, wide: true, show: (message) => bytes(message.sizeBytes) },
    { name: "Message id", wide: true, show: (message) => <span class="mono">{message.messageId}</span> },
    {
      name: "Cancel",
      show: (message) => (
        <button type="button" class="small danger" disabled={busy} onClick={() => cancel(message)} aria-label={`Cancel ${message.messageKey ?? message.messageId}`}>
          Cancel
        </button>
      ),
    },
  ];
  return (
    <Page title={`Delayed in ${plain(queue)}`} above={<a href={to("delayed")}>← Delayed</a>}>
      {data ? (
        <div class="card">
          <Failure text={failure} />
          <p class="muted">{several(data.messages.length, "message")} shown, the next to be due first.</p>
          <Table caption="Delayed messages" columns={columns} rows={data.messages} id={(message) => message.messageId} empty="No message waits for its time." />
        </div>
      ) : (
        <Waiting failure={failure} />
      )}
    </Page>
  );
}

export function DelayedPage({ queue }: { queue?: string }) {
  return queue ? <Waits queue={queue} /> : <Overview />;
}
