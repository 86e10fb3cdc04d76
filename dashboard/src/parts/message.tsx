// A message in a list: one line, and all of it when opened.
import { Fragment, type ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { readBody } from "../body";
import { bytes, time } from "../format";
import type { Message, Value } from "../types";

/** A value of a property as text: numbers JSON cannot hold come as objects of one member. */
export function shown(value: Value): string {
  if (typeof value !== "object") return String(value);
  return value.long ?? value.double ?? `base64 ${value.binary}`;
}

const TIMES = new Set(["bornTimestamp", "storeTimestamp", "expireTime", "dead-letter.time"]);
const APART = new Set(["text", "data", "properties", "queue", "receipt"]);

/** A field's value; a time also as one can read it. */
function told(name: string, value: Value): string {
  return TIMES.has(name) && Number(value) > 0 ? `${new Date(Number(value)).toISOString()} (${shown(value)})` : shown(value);
}

function header(message: Message): [string, string][] {
  return Object.entries(message)
    .filter(([name]) => !APART.has(name))
    .map(([name, value]) => [name, told(name, value as Value)]);
}

export function Facts({ values }: { values: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {values.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

function Inside({ message, actions }: { message: Message; actions?: ComponentChildren }) {
  const body = readBody(message);
  const own = Object.entries(message.properties ?? {}).map(([name, value]): [string, string] => [name, told(name, value)]);
  return (
    <div class="inside">
      <h3>
        Body <span class="tag">{body.kind === "empty" ? "empty" : `${body.kind}, ${bytes(body.size)}`}</span>
      </h3>
      {body.text && (
        <pre class="body" tabIndex={0} role="region" aria-label={`Body of ${message.partition}:${message.offset}`}>
          {body.text}
        </pre>
      )}
      {own.length > 0 && (
        <>
          <h3>Properties</h3>
          <Facts values={own} />
        </>
      )}
      <h3>Header</h3>
      <Facts values={header(message)} />
      {actions && <div class="buttons">{actions}</div>}
    </div>
  );
}

interface Props {
  message: Message;
  /** What stands in the last column instead of the beginning of the body. */
  about?: string;
  actions?: ComponentChildren;
}

export function MessageLine({ message, about, actions }: Props) {
  const [open, setOpen] = useState(false);
  const preview = about ?? readBody(message).text.slice(0, 300).replace(/\s+/g, " ");
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class="mono">
            {message.partition}:{message.offset}
          </span>
          <span class="when">{time(message.storeTimestamp)}</span>
          <span class="about">{message.messageKey ?? <span class="muted">no key</span>}</span>
          <span class="preview mono">{preview || <span class="muted">empty</span>}</span>
        </summary>
        {open && <Inside message={message} actions={actions} />}
      </details>
    </li>
  );
}
