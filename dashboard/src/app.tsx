// The frame around the pages: who one is, where one is, what is said.
import { useEffect, useRef } from "preact/hooks";
import { ConnectionsPage } from "./pages/connections";
import { DeadLettersPage } from "./pages/dead-letters";
import { DelayedPage } from "./pages/delayed";
import { OverviewPage } from "./pages/overview";
import { QueuePage } from "./pages/queue";
import { QueuesPage } from "./pages/queues";
import { RoutesPage } from "./pages/routes";
import { SignInPage } from "./pages/sign-in";
import { UsersPage } from "./pages/users";
import { Page } from "./parts/page";
import { place, to } from "./router";
import { authorization, link, refused, signOut } from "./session";
import { type Theme, theme } from "./theme";
import { said } from "./use";

const PAGES: [path: string, name: string][] = [
  ["", "Overview"],
  ["queues", "Queues"],
  ["dead-letters", "Dead letters"],
  ["delayed", "Delayed"],
  ["routes", "Routes"],
  ["connections", "Connections"],
  ["users", "Users"],
];

function Here() {
  const [page = "", ...rest] = place.value.parts;
  if (refused.value) return <SignInPage />;
  if (page === "") return <OverviewPage />;
  if (page === "queues") return rest[0] ? <QueuePage key={rest[0]} name={rest[0]} /> : <QueuesPage />;
  if (page === "dead-letters") return <DeadLettersPage queue={rest[0]} group={rest[1]} />;
  if (page === "delayed") return <DelayedPage queue={rest[0]} />;
  if (page === "routes") return <RoutesPage />;
  if (page === "connections") return <ConnectionsPage />;
  if (page === "users") return <UsersPage />;
  return (
    <Page title="There is no such page">
      <p>
        <a href={to()}>Overview</a>
      </p>
    </Page>
  );
}

function Navigation() {
  const here = place.value.parts[0] ?? "";
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [here]);
  return (
    <nav aria-label="Pages">
      <ul ref={list}>
        {PAGES.map(([path, name]) => (
          <li key={path}>
            <a href={path ? to(path) : "#/"} aria-current={here === path ? "page" : undefined}>
              {name}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

const STATES = { connecting: "connecting", live: "live", broken: "no connection" };

function Header() {
  return (
    <header>
      <div class="bar">
        <a class="brand" href="#/">
          <img src="./icon.svg" alt="" />
          OpenMessaging
        </a>
        {!refused.value && (
          <span class={link.value === "broken" ? "state off" : "state"} role="status">
            <i />
            {STATES[link.value]}
          </span>
        )}
        <div class="tools">
          <label>
            <span class="unseen">Colours</span>
            <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
              <option value="system">System</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </label>
          {authorization.value && (
            <button type="button" onClick={signOut}>
              Sign out
            </button>
          )}
        </div>
        {!refused.value && <Navigation />}
      </div>
    </header>
  );
}

/** What was said last, for some seconds; what went wrong, until it is put away. */
function Said() {
  const { text, wrong } = said.value;
  const away = (): void => {
    said.value = { text: "", wrong: false };
  };
  useEffect(() => {
    if (!text || wrong) return;
    const timer = setTimeout(away, 6000);
    return () => clearTimeout(timer);
  }, [text, wrong, said.value]);
  return (
    <div role={wrong ? "alert" : "status"} class={text ? (wrong ? "said wrong" : "said") : "unseen"}>
      {text && (
        <>
          <span>{text}</span>
          <button type="button" aria-label="Put away" onClick={away}>
            ✕
          </button>
        </>
      )}
    </div>
  );
}

export function App() {
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>("main h1")?.focus())}>
        To the content
      </a>
      <Header />
      <main id="main">
        <Here />
      </main>
      <Said />
    </>
  );
}
