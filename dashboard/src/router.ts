// Where in the page one is: everything behind `#`, so that the server has one page and nothing to rewrite.
import { signal } from "@preact/signals";

/** The parts of `#/queues/orders?key=ann`: ["queues", "orders"] and its parameters. */
export interface Place {
  parts: string[];
  query: URLSearchParams;
}

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

export const place = signal<Place>(read());
addEventListener("hashchange", () => {
  place.value = read();
});

/** The address of a place. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Go there. */
export function go(...parts: string[]): void {
  location.hash = to(...parts);
}

/** Keep what a form asked for in the address, so that it can be shared and reloaded; no new step back. */
export function remember(values: Record<string, string>): void {
  const kept = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  const path = location.hash.split("?")[0] || "#/";
  history.replaceState(null, "", kept.size ? `${path}?${kept}` : path);
}
