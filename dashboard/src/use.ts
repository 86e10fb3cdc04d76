// What pages share: data that is loaded and kept fresh, and actions that say how they went.
import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "./api";
import { authorization } from "./session";

/** What is said to everybody, by sight and by ear. */
export const said = signal<{ text: string; wrong: boolean }>({ text: "", wrong: false });

export const say = (text: string, wrong = false): void => {
  said.value = { text, wrong };
};

export const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

export interface Loaded<T> {
  data: T | undefined;
  failure: string | undefined;
  reload: () => void;
}

/** What `load` gives, for a key that says what it is; again every `seconds` while the page is looked at. */
export function useLoaded<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, seconds?: number): Loaded<T> {
  const [state, setState] = useState<{ key: string | null; data?: T; failure?: string }>({ key });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const who = authorization.value;
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    let timer: number | undefined;
    let first = true;
    const run = async (): Promise<void> => {
      if (first || !document.hidden) {
        try {
          const data = await latest.current(stop.signal);
          if (!stop.signal.aborted) setState({ key, data });
        } catch (cause) {
          if (stop.signal.aborted) return;
          setState((before) => ({ key, data: before.key === key ? before.data : undefined, failure: reason(cause) }));
          if (cause instanceof ApiError && cause.status === 401) return;
        }
        first = false;
      }
      if (seconds && !stop.signal.aborted) timer = window.setTimeout(run, seconds * 1000);
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, seconds, turn, who]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const fresh = state.key === key;
  return { data: fresh ? state.data : undefined, failure: fresh ? state.failure : undefined, reload };
}

/** A document of the API; null: nothing to load yet. */
export function useData<T>(path: string | null, seconds?: number): Loaded<T> {
  return useLoaded(path, (signal) => get<T>(path ?? "", signal), seconds);
}

/** Do something once at a time; what it returns is said, and so is why it failed. */
export function useAction(): [boolean, (work: () => Promise<string | void>) => Promise<void>] {
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  const run = useCallback(async (work: () => Promise<string | void>) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    try {
      const text = await work();
      if (text) say(text);
    } catch (cause) {
      say(reason(cause), true);
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  return [busy, run];
}
