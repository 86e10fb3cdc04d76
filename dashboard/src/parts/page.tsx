// The frame of a page: its heading, which gets the focus when one comes to it, and what is said while there is no data.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  /** Shown before the title: the way back. */
  above?: ComponentChildren;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

let first = true;

export function Page({ title, above, aside, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · OpenMessaging`;
    if (!first) heading.current?.focus();
    first = false;
  }, [title]);
  return (
    <>
      {above && <p class="above">{above}</p>}
      <div class="heading">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside}
      </div>
      {children}
    </>
  );
}

export function Failure({ text }: { text: string | undefined }) {
  return text ? (
    <p class="failure" role="alert">
      {text}
    </p>
  ) : null;
}

export function Waiting({ failure }: { failure: string | undefined }) {
  return failure ? <Failure text={failure} /> : <p class="empty">Loading…</p>;
}

export function Tile({ name, value, note, wrong }: { name: string; value: string; note?: string; wrong?: boolean }) {
  return (
    <div class={wrong ? "tile wrong" : "tile"}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}
