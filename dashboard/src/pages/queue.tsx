// One queue: what happens in it, who consumes it, what is in it.
import { useState } from "preact/hooks";
import { change, path } from "../api";
import { brief, count, plain, rate, several } from "../format";
import { useLive } from "../live";
import { Confirm } from "../parts/confirm";
import { Backlog, Throughput } from "../parts/lines";
import { Facts } from "../parts/message";
import { Failure, Page, Tile, Waiting } from "../parts/page";
import { go, to } from "../router";
import type { Queue } from "../types";
import { useAction, useData } from "../use";
import { Groups } from "./groups";
import { Search } from "./search";
import { SendForm } from "./send";

function Danger({ queue, reload }: { queue: Queue; reload: () => void }) {
  const [asked, ask] = useState<"purge" | "delete" | null>(null);
  const [busy, run] = useAction();
  const name = plain(queue.name);
  const purge = async (): Promise<string> => {
    const { messages } = await change<{ messages: number }>("POST", path("queues", queue.name, "purge"));
    reload();
    return `Dropped ${several(messages, "message")} of ${name}`;
  };
  const remove = async (): Promise<string> => {
    await change("DELETE", path("queues", queue.name));
    go("queues");
    return `Deleted ${name}`;
  };
  return (
    <div class="buttons">
      <button type="button" class="danger" disabled={busy} onClick={() => ask("purge")}>
        Drop all messages…
      </button>
      <button type="button" class="danger" disabled={busy} onClick={() => ask("delete")}>
        Delete the queue…
      </button>
      {asked && (
        <Confirm
          title={asked === "purge" ? `Drop all messages of ${name}?` : `Delete ${name}?`}
          text={`${several(queue.messages, "message")} and ${several(queue.groups.length, "group")}. ${asked === "purge" ? "The queue and its groups stay." : "Their dead-letter queues stay."} This cannot be undone.`}
          verb={asked === "purge" ? "Drop them" : "Delete it"}
          yes={() => (ask(null), void run(asked === "purge" ? purge : remove))}
          no={() => ask(null)}
        />
      )}
    </div>
  );
}

function setting(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function Settings({ queue }: { queue: Queue }) {
  const ranges = queue.offsets.map(({ first, next, laneOf, priority }, number): [string, string] => {
    const name = laneOf === null ? `partition ${number}` : `partition ${number} (priority ${priority} of ${laneOf})`;
    return [name, `offsets ${count(first)} to ${count(next)}`];
  });
  const config = Object.entries(queue.config).map(([name, value]): [string, string] => [name.replaceAll("_", " "), setting(value)]);
  return <Facts values={[["full name", queue.name], ...ranges, ...config]} />;
}

export function QueuePage({ name }: { name: string }) {
  const { data, failure, reload } = useData<Queue>(path("queues", name), 5);
  const { series, newest } = useLive(name);
  return (
    <Page title={plain(name)} above={<a href={to("queues")}>← Queues</a>}>
      {data ? (
        <>
          <Failure text={failure} />
          <dl class="tiles" aria-label="Now">
            <Tile name="Messages" value={brief(data.messages)} />
            <Tile name="Stored" value={newest ? `${rate(newest.stored)}/s` : "–"} />
            <Tile name="Settled" value={newest ? `${rate(newest.settled)}/s` : "–"} />
            <Tile name="Waiting" value={newest ? brief(newest.lag) : "–"} note={newest ? `${brief(newest.inFlight)} in flight` : undefined} />
            {data.delayed > 0 && <Tile name="Delayed" value={brief(data.delayed)} />}
            {data.expired > 0 && <Tile name="Expired" value={brief(data.expired)} />}
          </dl>
          <div class="pair">
            <div class="card">
              <Throughput series={series} />
            </div>
            <div class="card">
              <Backlog series={series} />
            </div>
          </div>
          <Groups queue={name} />
          <SendForm queue={name} sent={reload} />
          <Search queue={name} />
          <details class="card">
            <summary>
              <h2>Settings</h2>
            </summary>
            <Settings queue={data} />
            <Danger queue={data} reload={reload} />
          </details>
        </>
      ) : (
        <Waiting failure={failure} />
      )}
    </Page>
  );
}
