// Messages that failed too often: look at them, send them back.
import { useState } from "preact/hooks";
import { change, get, path, query } from "../api";
import { brief, plain, several } from "../format";
import { Input } from "../parts/field";
import { MessageLine } from "../parts/message";
import { Failure, Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { allQueues } from "../queues";
import { to } from "../router";
import type { Group, Message, Redriven } from "../types";
import { useAction, useData, useLoaded } from "../use";

const REDRIVE = "redrive";
const SHOWN = 500;

interface Letters {
  group: Group;
  letters: number;
}

/** Groups with dead letters that were not sent back; the group `redrive` of their queue knows which were. */
async function load(signal: AbortSignal): Promise<Letters[]> {
  const [queues, { groups }] = await Promise.all([allQueues(signal), get<{ groups: Group[] }>("groups", signal)]);
  const left = new Map(queues.map((queue) => [queue.name, queue.messages]));
  for (const group of groups) if (group.name === REDRIVE) left.set(group.queue, group.lag);
  return groups.map((group) => ({ group, letters: left.get(group.deadLetterQueue) ?? 0 })).filter((each) => each.letters > 0);
}

const columns: Column<Letters>[] = [
  { name: "Queue", show: ({ group }) => <a href={to("dead-letters", group.queue, group.name)}>{plain(group.queue)}</a> },
  { name: "Group", show: ({ group }) => group.name },
  { name: "Dead letters", number: true, show: ({ letters }) => brief(letters) },
];

function Overview() {
  const { data, failure } = useLoaded("dead-letters", load, 5);
  return (
    <Page title="Dead letters">
      <div class="card">
        {data ? (
          <Table caption="Groups with dead letters" columns={columns} rows={data} id={({ group }) => group.deadLetterQueue} empty="There is no dead letter: every message was handled, or is still tried." />
        ) : (
          <Waiting failure={failure} />
        )}
      </div>
    </Page>
  );
}

function Redrive({ queue, group, there, reload }: { queue: string; group: string; there: number; reload: () => void }) {
  const [where, setWhere] = useState("");
  const [limit, setLimit] = useState("");
  const [busy, run] = useAction();
  const count = (): void =>
    void run(async () => {
      const found = await get<{ messages: Message[] }>(`${path("queues", queue, "groups", group, "dead-letters")}${query({ where, limit: 1000 })}`);
      const matched = limit ? Math.min(Number(limit), found.messages.length) : found.messages.length;
      return `${several(matched, "message")} would go back`;
    });
  const send = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      const wanted = { where: where || undefined, limit: limit ? Number(limit) : undefined };
      const { redriven, kept } = await change<Redriven>("POST", path("queues", queue, "groups", group, "dead-letters", "redrive"), wanted);
      reload();
      return `Sent ${several(redriven, "message")} back${kept.length ? `, ${kept.length} stay: ${kept[0]!.reason}` : ""}`;
    });
  };
  return (
    <form class="row" onSubmit={send}>
      <Input label="Only those that match (SQL)" value={where} set={setWhere} placeholder="price > 5" grow />
      <Input label="At most" type="number" min="1" value={limit} set={setLimit} placeholder={String(there)} />
      <button type="button" disabled={busy} onClick={count}>
        How many?
      </button>
      <button class="main" disabled={busy || !there}>
        Send back
      </button>
    </form>
  );
}

function reasonOf(message: Message): string {
  const { properties = {} } = message;
  return `attempt ${properties["dead-letter.delivery-count"] ?? "?"}: ${properties["dead-letter.reason"] || "no reason given"}`;
}

function Letters({ queue, group }: { queue: string; group: string }) {
  const { data, failure, reload } = useData<{ messages: Message[] }>(`${path("queues", queue, "groups", group, "dead-letters")}${query({ limit: SHOWN })}`, 5);
  return (
    <Page title={`Dead letters of ${group}`} above={<a href={to("dead-letters")}>← Dead letters</a>}>
      <p class="muted">
        Of the queue <a href={to("queues", queue)}>{plain(queue)}</a>. A letter that is sent back keeps its id, key and body, and leaves this list in the same step.
      </p>
      {data ? (
        <div class="card">
          <Failure text={failure} />
          <h2>Send back to where they came from</h2>
          <Redrive queue={queue} group={group} there={data.messages.length} reload={reload} />
          {data.messages.length ? (
            <ul class="messages">
              {data.messages.map((message) => (
                <MessageLine key={`${message.partition}:${message.offset}`} message={message} about={reasonOf(message)} />
              ))}
            </ul>
          ) : (
            <p class="empty">There is none.</p>
          )}
        </div>
      ) : (
        <Waiting failure={failure} />
      )}
    </Page>
  );
}

export function DeadLettersPage({ queue, group }: { queue?: string; group?: string }) {
  return queue && group ? <Letters queue={queue} group={group} /> : <Overview />;
}
