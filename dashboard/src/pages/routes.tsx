// Routes from queue to queue, and what they would do with a message.
import { useState } from "preact/hooks";
import { change, get, path, query } from "../api";
import { brief, plain } from "../format";
import { Choice, Input, Text } from "../parts/field";
import { Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { to } from "../router";
import type { Explanation, Route } from "../types";
import { useAction, useLoaded } from "../use";
import { properties } from "./send";

const columns: Column<Route>[] = [
  { name: "Route", show: (route) => plain(route.name) },
  { name: "From", show: (route) => <a href={to("queues", route.source)}>{plain(route.source)}</a> },
  {
    name: "To",
    show: (route) => route.targets.map((target, at) => (
      <>
        {at > 0 && ", "}
        <a href={to("queues", target)}>{plain(target)}</a>
      </>
    )),
  },
  { name: "Operators", wide: true, show: (route) => route.operators.map((each) => <div class="mono">{each}</div>) },
  { name: "Behind", number: true, show: (route) => brief(route.lag) },
  { name: "Routed", number: true, wide: true, show: (route) => brief(route.routed) },
  { name: "Dropped", number: true, wide: true, show: (route) => brief(route.dropped) },
  { name: "Dead", number: true, wide: true, show: (route) => brief(route.dead) },
  { name: "State", show: (route) => (route.trouble ? <span class="tag wrong">{route.trouble}</span> : <span class="tag good">running</span>) },
];

const VERDICTS: Record<string, string> = { passes: "good", drops: "warn", changes: "", unknown: "wrong" };

function Explained({ found }: { found: Explanation[] }) {
  return (
    <>
      {found.map((each) => (
        <div key={each.route}>
          <h3>
            {plain(each.source)} → {plain(each.route)}
          </h3>
          <ol class="steps">
            {each.steps.map((step) => (
              <li>
                <span class={`tag ${VERDICTS[step.verdict] ?? ""}`}>{step.verdict}</span> <code>{step.operator}</code> {step.detail && <span class="muted">{step.detail}</span>}
              </li>
            ))}
            <li>{each.targets.length ? `goes to ${each.targets.map(plain).join(", ")}` : "goes nowhere"}</li>
          </ol>
          {each.then.length > 0 && (
            <div class="deeper">
              <Explained found={each.then} />
            </div>
          )}
        </div>
      ))}
    </>
  );
}

function Explain({ sources }: { sources: string[] }) {
  const [queue, setQueue] = useState(sources[0]!);
  const [key, setKey] = useState("");
  const [own, setOwn] = useState("");
  const [found, setFound] = useState<Explanation[]>();
  const [busy, run] = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      const message = { messageKey: key || undefined, properties: properties(own) };
      setFound((await change<{ routes: Explanation[] }>("POST", path("queues", queue, "explain"), message)).routes);
    });
  };
  return (
    <section class="card" aria-labelledby="explain">
      <h2 id="explain">What would become of a message?</h2>
      <form onSubmit={submit}>
        <div class="row">
          <Choice label="Sent to" value={queue} set={setQueue} options={sources.map((source) => [source, plain(source)])} />
          <Input label="Key" value={key} set={setKey} />
        </div>
        <div class="row">
          <Text label="Properties, NAME=VALUE per line" value={own} set={setOwn} rows={3} />
          <button class="main" disabled={busy}>
            Explain
          </button>
        </div>
      </form>
      <div role="status">{found && (found.length ? <Explained found={found} /> : <p class="empty">No route reads this queue.</p>)}</div>
    </section>
  );
}

async function load(signal: AbortSignal): Promise<Route[]> {
  const { names } = await get<{ names: string[] }>("namespaces", signal);
  const lists = await Promise.all(names.map((namespace) => get<{ routes: Route[] }>(`routes${query({ namespace })}`, signal)));
  return lists.flatMap((list) => list.routes);
}

export function RoutesPage() {
  const { data, failure } = useLoaded("routes", load, 3);
  const sources = [...new Set(data?.map((route) => route.source))];
  return (
    <Page title="Routes">
      <div class="card">
        {data ? (
          <Table caption="Routes" columns={columns} rows={data} id={(route) => route.name} empty="There is no route." />
        ) : (
          <Waiting failure={failure} />
        )}
      </div>
      {sources.length > 0 && <Explain sources={sources} />}
    </Page>
  );
}
