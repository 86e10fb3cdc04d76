// A labelled field of a form, with its hint tied to it.
import type { JSX } from "preact";
import { useId } from "preact/hooks";

interface Common {
  label: string;
  value: string;
  set: (value: string) => void;
  hint?: string;
  grow?: boolean;
}

function Frame({ id, label, hint, grow, children }: Pick<Common, "label" | "hint" | "grow"> & { id: string; children: JSX.Element }) {
  return (
    <div class={grow ? "field grow" : "field"}>
      <label for={id}>{label}</label>
      {children}
      {hint && (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  );
}

interface InputProps extends Common {
  type?: "text" | "number" | "password" | "datetime-local";
  placeholder?: string;
  required?: boolean;
  min?: string;
  autocomplete?: "username" | "current-password" | "off";
}

export function Input({ label, value, set, hint, grow, type = "text", autocomplete = "off", ...rest }: InputProps) {
  const id = useId();
  const about = hint && `${id}-hint`;
  // Types of inputs are told apart by `type`, which is not known here.
  const own = { ...rest, id, type, autocomplete, value, spellcheck: false, "aria-describedby": about } as JSX.IntrinsicElements["input"];
  return (
    <Frame id={id} label={label} hint={hint} grow={grow}>
      <input {...own} onInput={(event) => set(event.currentTarget.value)} />
    </Frame>
  );
}

export function Text({ label, value, set, hint, rows }: Common & { rows: number }) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} grow>
      <textarea
        id={id}
        rows={rows}
        value={value}
        spellcheck={false}
        aria-describedby={hint && `${id}-hint`}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </Frame>
  );
}

export function Choice({ label, value, set, hint, grow, options }: Common & { options: [value: string, name: string][] }) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} grow={grow}>
      <select id={id} value={value} aria-describedby={hint && `${id}-hint`} onChange={(event) => set(event.currentTarget.value)}>
        {options.map(([each, name]) => (
          <option key={each} value={each}>
            {name}
          </option>
        ))}
      </select>
    </Frame>
  );
}
