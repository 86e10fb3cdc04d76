// Who is connected by the native protocol.
import { bytes, plain, span } from "../format";
import { Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import type { Connections, Connection } from "../types";
import { useData } from "../use";

const columns: Column<Connection>[] = [
  { name: "Client", show: (each) => each.client || <span class="muted">not introduced yet</span> },
  { name: "From", show: (each) => each.address || "Unix socket" },
  { name: "User", show: (each) => each.user },
  { name: "For", number: true, show: (each) => span(Date.now() - each.sinceMs) },
  { name: "Consumes", wide: true, show: (each) => each.groups.map(([queue, group]) => `${plain(queue)} as ${group}`).join(", ") || "–" },
  { name: "Being stored", number: true, wide: true, show: (each) => bytes(each.storingBytes) },
  { name: "State", wide: true, show: (each) => (each.reads ? "" : <span class="tag warn">does not read</span>) },
];

export function ConnectionsPage() {
  const { data, failure } = useData<Connections>("connections", 2);
  return (
    <Page title="Connections">
      {data ? (
        <div class="card">
          <p class="muted">Clients of the native protocol. Of HTTP, {data.http} connections are open, this page's among them.</p>
          <Table caption="Connections" columns={columns} rows={data.connections} id={(each) => `${each.address} ${each.sinceMs}`} empty="No program is connected." />
        </div>
      ) : (
        <Waiting failure={failure} />
      )}
    </Page>
  );
}
