// The plots that the overview and the page of a queue share.
import type { Series } from "../types";
import { count, millis, rate } from "../format";
import { Plot } from "./plot";

const seconds = (series: Series): number[] => series.atMs.map((ms) => Math.round(ms / 1000));

export function Throughput({ series }: { series: Series }) {
  const lines = [
    { label: "stored", colour: "in", values: series.stored },
    { label: "settled", colour: "out", values: series.settled, dashed: true },
  ];
  return <Plot title="Messages per second" times={seconds(series)} lines={lines} show={rate} />;
}

export function Backlog({ series }: { series: Series }) {
  const lines = [
    { label: "waiting", colour: "warn", values: series.lag },
    { label: "in flight", colour: "extra", values: series.inFlight, dashed: true },
  ];
  return <Plot title="Messages not settled" times={seconds(series)} lines={lines} show={count} />;
}

export function SendLatency({ series }: { series: Series }) {
  const lines = [
    { label: "p50", colour: "in", values: series.sendP50Ms },
    { label: "p99", colour: "warn", values: series.sendP99Ms, dashed: true },
  ];
  return <Plot title="Latency of a send" times={seconds(series)} lines={lines} show={millis} />;
}
