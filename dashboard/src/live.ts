// The stream of samples that every plot shows: opened once, again after a break, closed while nobody looks.
import { useEffect, useState } from "preact/hooks";
import { ApiError, events, query } from "./api";
import { authorization, refused } from "./session";
import type { Sample, Series } from "./types";

const KEPT = 300;
const PATH = "rates";

const COLUMNS = ["atMs", "stored", "settled", "lag", "inFlight", "connections", "sendP50Ms", "sendP99Ms"] as const;

export interface Live {
  series: Series;
  newest: Sample | null;
  /** Why there are no samples, where that will not change by itself. */
  denied?: string;
}

const nothing: Live = {
  series: { atMs: [], stored: [], settled: [], lag: [], inFlight: [], connections: [], sendP50Ms: [], sendP99Ms: [] },
  newest: null,
};

function extended(series: Series, sample: Sample): Series {
  const columns = COLUMNS.map((name) => [name, [...series[name], sample[name]].slice(-KEPT)]);
  return Object.fromEntries(columns) as Series;
}

/** Samples of all queues, or of one, as they come. */
export function useLive(queue?: string): Live {
  const [live, setLive] = useState<Live>(nothing);
  const who = authorization.value;
  const mustSignIn = refused.value;
  useEffect(() => {
    if (mustSignIn) return;
    setLive(nothing);
    let stop = new AbortController();
    let pause: number | undefined;
    const take = (name: string, data: Series | Sample): void => {
      if (name === "series") setLive((before) => ({ ...before, series: data as Series }));
      else if (name === "now") setLive((before) => ({ ...before, newest: data as Sample }));
      else setLive((before) => ({ series: extended(before.series, data as Sample), newest: data as Sample }));
    };
    const run = async (): Promise<void> => {
      const mine = stop;
      let wait = 500;
      while (!mine.signal.aborted) {
        try {
          await events(`${PATH}${query({ queue, stream: "true" })}`, mine.signal, take);
          wait = 500;
        } catch (cause) {
          if (mine.signal.aborted) return;
          if (cause instanceof ApiError && cause.status >= 400 && cause.status < 500) {
            setLive({ ...nothing, denied: cause.message });
            return;
          }
        }
        await new Promise((resolve) => (pause = window.setTimeout(resolve, wait)));
        wait = Math.min(wait * 2, 10_000);
      }
    };
    const look = (): void => {
      if (document.hidden) stop.abort();
      else if (stop.signal.aborted) {
        stop = new AbortController();
        void run();
      }
    };
    document.addEventListener("visibilitychange", look);
    void run();
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(pause);
      stop.abort();
    };
  }, [queue, who, mustSignIn]);
  return live;
}
