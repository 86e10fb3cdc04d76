// The HTTP API, typed. One way in for everything, so that credentials, errors and cancelling are written once.
import { authorization, link, refused } from "./session";

const BASE = new URL("../v1/", new URL(".", location.href));

/** What the server said was wrong: RFC 9457, with the standard's code. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: number | null,
    message: string,
  ) {
    super(message);
  }
}

interface Problem {
  title?: string;
  detail?: string;
  code?: number;
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const value = authorization.peek();
  return value ? { ...more, Authorization: value } : more;
}

async function failure(response: Response): Promise<ApiError> {
  const text = await response.text();
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // An answer of something in between: the status has to do.
  }
  if (response.status === 401) refused.value = true;
  const said = problem.detail ?? problem.title ?? response.statusText;
  return new ApiError(response.status, problem.code ?? null, said || `HTTP ${response.status}`);
}

async function ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(new URL(path, BASE), { ...init, method, cache: "no-store", credentials: "omit" });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    link.value = "broken";
    throw new ApiError(0, null, "The server cannot be reached");
  }
  link.value = "live";
  if (!response.ok) throw await failure(response);
  return response;
}

async function document<T>(response: Response): Promise<T> {
  const text = await response.text();
  return (text ? JSON.parse(text) : null) as T;
}

/** Segments of a path, each escaped: path("queues", "default://orders"). */
export const path = (...parts: string[]): string => parts.map(encodeURIComponent).join("/");

/** Parameters of a query; those without a value are left out. */
export function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return document<T>(await ask("GET", path, { headers: headers({ Accept: "application/json" }), signal }));
}

/** Send a document, or nothing, with a method that changes something. */
export async function change<T = unknown>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const kind: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
  return document<T>(await ask(method, path, { ...sent, headers: headers(kind) }));
}

/** Server-sent events, with credentials (which EventSource cannot send). Ends when the server ends it. */
export async function events<T>(path: string, signal: AbortSignal, take: (name: string, data: T) => void): Promise<void> {
  const response = await ask("GET", path, { headers: headers({ Accept: "text/event-stream" }), signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      let name = "message";
      const data: string[] = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).trim());
      }
      if (data.length) take(name, JSON.parse(data.join("\n")) as T);
    }
  }
}
