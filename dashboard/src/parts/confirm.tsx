// Asking before something cannot be undone, in the browser's own dialog: it keeps the focus, and Escape leaves it.
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  text: string;
  verb: string;
  yes: () => void;
  no: () => void;
}

export function Confirm({ title, text, verb, yes, no }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={no}>
      <h2 id={id}>{title}</h2>
      <p>{text}</p>
      <div class="buttons">
        <button type="button" autofocus onClick={no}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={yes}>
          {verb}
        </button>
      </div>
    </dialog>
  );
}
