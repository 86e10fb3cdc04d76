// A test message into a queue.
import { useState } from "preact/hooks";
import { change, path } from "../api";
import { Input, Text } from "../parts/field";
import type { Sent } from "../types";
import { useAction } from "../use";

/** NAME=VALUE per line; what is a number, true or false becomes one. */
export function properties(text: string): Record<string, string | number | boolean> {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      if (at < 1) throw new Error(`A property is written NAME=VALUE, not ${line}`);
      const value = line.slice(at + 1);
      const plain = value === "true" || value === "false" || (value.trim() !== "" && Number.isFinite(Number(value)));
      return [line.slice(0, at).trim(), plain ? (value === "true" || value === "false" ? value === "true" : Number(value)) : value];
    }),
  );
}

export function SendForm({ queue, sent }: { queue: string; sent: () => void }) {
  const [key, setKey] = useState("");
  const [body, setBody] = useState('{"hello": "world"}');
  const [own, setOwn] = useState("");
  const [delay, setDelay] = useState("");
  const [busy, run] = useAction();

  const submit = (event: Event): void => {
    event.preventDefault();
    void run(async () => {
      const message = {
        text: body || undefined,
        messageKey: key || undefined,
        properties: properties(own),
        delayTime: delay ? Math.round(Number(delay) * 1000) : undefined,
      };
      const { partition, offset } = await change<Sent>("POST", path("queues", queue, "messages"), message);
      sent();
      return delay ? "Sent: it is delivered when its time has come" : `Sent: partition ${partition}, offset ${offset}`;
    });
  };

  return (
    <details class="card">
      <summary>
        <h2>Send a test message</h2>
      </summary>
      <form onSubmit={submit}>
        <div class="row">
          <Text label="Body" value={body} set={setBody} rows={5} />
          <Text label="Properties, NAME=VALUE per line" value={own} set={setOwn} rows={5} />
        </div>
        <div class="row">
          <Input label="Key" value={key} set={setKey} />
          <Input label="Delay in seconds" type="number" min="0" value={delay} set={setDelay} />
          <button class="main" disabled={busy}>
            Send
          </button>
        </div>
      </form>
    </details>
  );
}
