// The consumer groups of a queue: how far behind they are, moving and deleting them.
import { useState } from "preact/hooks";
import { change, path } from "../api";
import { brief, plain, several, span } from "../format";
import { Confirm } from "../parts/confirm";
import { Choice, Input } from "../parts/field";
import { Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { to } from "../router";
import type { Group } from "../types";
import { useAction, useData } from "../use";

const age = (group: Group): string => (group.oldestTimestamp === null ? "–" : span(Date.now() - group.oldestTimestamp));

function Seek({ queue, groups, reload }: { queue: string; groups: Group[]; reload: () => void }) {
  const [name, setName] = useState(groups[0]!.name);
  const [where, setWhere] = useState("time");
  const [when, setWhen] = useState("");
  const [busy, run] = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      const to = where === "time" ? `ts:${new Date(when).getTime()}` : where;
      const moved = await change<Group>("POST", path("queues", queue, "groups", name, "seek"), { to });
      reload();
      return `Moved ${name}: ${several(moved.lag, "message")} behind`;
    });
  };
  return (
    <details>
      <summary>Move a group</summary>
      <form class="row" onSubmit={submit}>
        <Choice label="Group" value={name} set={setName} options={groups.map((group) => [group.name, group.name])} />
        <Choice
          label="To"
          value={where}
          set={setWhere}
          options={[
            ["time", "a time"],
            ["earliest", "the oldest message"],
            ["latest", "behind the newest"],
          ]}
        />
        {where === "time" && <Input label="Messages stored from" type="datetime-local" value={when} set={setWhen} required />}
        <button disabled={busy}>Move</button>
      </form>
      <p class="hint">What it holds is given back. Messages behind the position come again; those before it do not.</p>
    </details>
  );
}

export function Groups({ queue }: { queue: string }) {
  const { data, failure, reload } = useData<{ groups: Group[] }>(path("queues", queue, "groups"), 3);
  const [asked, ask] = useState<Group | null>(null);
  const [, run] = useAction();
  const remove = async (group: Group): Promise<string> => {
    await change("DELETE", path("queues", queue, "groups", group.name));
    reload();
    return `Deleted the group ${group.name}`;
  };
  const columns: Column<Group>[] = [
    { name: "Group", show: (group) => group.name },
    { name: "Waiting", number: true, show: (group) => brief(group.lag) },
    { name: "In flight", number: true, show: (group) => brief(group.inFlight) },
    { name: "Retrying", number: true, wide: true, show: (group) => brief(group.retrying) },
    { name: "Oldest", number: true, show: age },
    { name: "Dead letters", wide: true, show: (group) => <a href={to("dead-letters", group.queue, group.name)}>look</a> },
    {
      name: "Delete",
      wide: true,
      show: (group) => (
        <button type="button" class="small danger" onClick={() => ask(group)} aria-label={`Delete ${group.name}`}>
          Delete…
        </button>
      ),
    },
  ];
  return (
    <section class="card" aria-labelledby="groups">
      <h2 id="groups">Groups</h2>
      {data ? (
        <>
          <Table caption={`Groups of ${plain(queue)}`} columns={columns} rows={data.groups} id={(group) => group.name} empty="No group consumes this queue." />
          {data.groups.length > 0 && <Seek queue={queue} groups={data.groups} reload={reload} />}
        </>
      ) : (
        <Waiting failure={failure} />
      )}
      {asked && (
        <Confirm
          title={`Delete the group ${asked.name}?`}
          text={`It has ${several(asked.lag, "message")} before it. Its dead letters stay. This cannot be undone.`}
          verb="Delete it"
          yes={() => (ask(null), void run(() => remove(asked)))}
          no={() => ask(null)}
        />
      )}
    </section>
  );
}
