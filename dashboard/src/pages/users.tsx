// Who may do what. Changing that is for `oms user`, on the machine itself.
import { Page, Waiting } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { time } from "../format";
import type { Token, User, Users } from "../types";
import { useData } from "../use";

const expiry = (token: Token): string => (token.expiresMs === null ? "never expires" : token.expiresMs < Date.now() ? "expired" : `until ${time(token.expiresMs)}`);

const columns: Column<User>[] = [
  { name: "User", show: (user) => (<>{user.name} {user.disabled && <span class="tag wrong">disabled</span>}</>) },
  { name: "Roles", show: (user) => user.roles.join(", ") || "–" },
  { name: "May", show: (user) => user.grants.map((grant) => <div class="mono">{grant}</div>) },
  { name: "Signs in by", wide: true, show: (user) => user.signsInBy.join(", ") || "–" },
  { name: "Tokens", wide: true, show: (user) => user.tokens.map((token) => <div>{token.id}: {token.note || "no note"}, {expiry(token)}</div>) },
];

export function UsersPage() {
  const { data, failure } = useData<Users>("users", 10);
  return (
    <Page title="Users">
      {data ? (
        <div class="card">
          <p class="muted">
            You are <b>{data.you}</b>. Users, tokens and rights are changed with <code>oms user</code>.
          </p>
          <Table
            caption="Users"
            columns={columns}
            rows={data.users}
            id={(user) => user.name}
            empty="There are no users: who reaches this server from its own machine may do everything."
          />
        </div>
      ) : (
        <Waiting failure={failure} />
      )}
    </Page>
  );
}
