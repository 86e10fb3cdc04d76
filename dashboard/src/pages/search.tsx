// Looking for messages in a queue, the newest first.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, path, query } from "../api";
import { count, several } from "../format";
import { Input } from "../parts/field";
import { MessageLine } from "../parts/message";
import { Failure } from "../parts/page";
import { place, remember } from "../router";
import type { Found, Message } from "../types";
import { reason } from "../use";

const WANTED = 50;
const FIELDS = ["key", "property", "text", "condition", "from", "until"] as const;
type Form = Record<(typeof FIELDS)[number], string>;

interface Result {
  messages: Message[];
  lookedAt: number;
  next: string | null;
  busy: boolean;
  failure?: string;
}

const none: Result = { messages: [], lookedAt: 0, next: null, busy: true };

function asked(form: Form): Record<string, string | number | undefined> {
  const ms = (text: string): number | undefined => (text ? new Date(text).getTime() : undefined);
  const { key, property, text, condition, from, until } = form;
  return { key, property, text, condition, fromMs: ms(from), untilMs: ms(until) };
}

function fromAddress(): Form {
  const given = place.peek().query;
  return Object.fromEntries(FIELDS.map((name) => [name, given.get(name) ?? ""])) as Form;
}

function said(result: Result): string {
  const found = `${several(result.messages.length, "message")} shown, ${count(result.lookedAt)} looked at`;
  if (result.busy) return `${found}, looking…`;
  return result.next === null ? `${found}: that is all` : found;
}

export function Search({ queue }: { queue: string }) {
  const [form, setForm] = useState(fromAddress);
  const [result, setResult] = useState(none);
  const running = useRef(new AbortController());

  const look = async (before: string | null, sofar: Result): Promise<void> => {
    running.current.abort();
    const stop = (running.current = new AbortController());
    const wanted = sofar.messages.length + WANTED;
    let all = { ...sofar, busy: true, failure: undefined };
    setResult(all);
    try {
      do {
        const limit = wanted - all.messages.length;
        const found: Found = await get(`${path("queues", queue, "search")}${query({ ...asked(form), limit, before: before ?? undefined })}`, stop.signal);
        before = found.next;
        all = { ...all, messages: [...all.messages, ...found.messages], lookedAt: all.lookedAt + found.lookedAt, next: before };
        setResult(all);
      } while (before !== null && all.messages.length < wanted);
      setResult({ ...all, busy: false });
    } catch (cause) {
      if (!stop.signal.aborted) setResult({ ...all, busy: false, failure: reason(cause) });
    }
  };

  useEffect(() => {
    void look(null, none);
    return () => running.current.abort();
  }, [queue]);

  const submit = (event: Event): void => {
    event.preventDefault();
    remember(form);
    void look(null, none);
  };
  const set = (name: keyof Form) => (value: string) => setForm((before) => ({ ...before, [name]: value }));
  const more = form.condition || form.from || form.until;

  return (
    <section class="card" aria-labelledby="messages">
      <h2 id="messages">Messages</h2>
      <form role="search" onSubmit={submit}>
        <div class="row">
          <Input label="Key" value={form.key} set={set("key")} />
          <Input label="Property" value={form.property} set={set("property")} placeholder="colour=red" />
          <Input label="Text in the body" value={form.text} set={set("text")} grow />
          <button class="main">Search</button>
        </div>
        <details open={!!more}>
          <summary>Time and condition</summary>
          <div class="row">
            <Input label="Stored from" type="datetime-local" value={form.from} set={set("from")} />
            <Input label="until" type="datetime-local" value={form.until} set={set("until")} />
            <Input label="Condition (SQL)" value={form.condition} set={set("condition")} placeholder="price > 5 AND colour = 'red'" grow />
          </div>
        </details>
      </form>
      <Failure text={result.failure} />
      <p class="muted" role="status">
        {said(result)}
        {result.busy && (
          <button type="button" class="small" onClick={() => (running.current.abort(), setResult((before) => ({ ...before, busy: false })))}>
            Stop
          </button>
        )}
      </p>
      <ul class="messages">
        {result.messages.map((message) => (
          <MessageLine key={`${message.partition}:${message.offset}`} message={message} />
        ))}
      </ul>
      {!result.busy && result.next !== null && (
        <button type="button" onClick={() => void look(result.next, result)}>
          Older messages
        </button>
      )}
    </section>
  );
}
