// Lines over time. uPlot paints them; this file gives it colours of the theme, the width there is, and words for those
// who do not see it.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { repaint } from "../theme";

export interface Line {
  label: string;
  /** A colour of the style sheet: in, out, warn, extra. */
  colour: string;
  values: (number | null)[];
  dashed?: boolean;
}

interface Props {
  title: string;
  /** Seconds since the epoch. */
  times: number[];
  lines: Line[];
  show: (value: number) => string;
  height?: number;
}

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function resolved(name: string): string {
  // light-dark() is worked out by the browser for real properties only.
  const probe = document.createElement("span");
  probe.style.color = colour(name);
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function options(props: Props, width: number, pointed: (at: number | null) => void): uPlot.Options {
  const text = resolved("muted");
  const line = resolved("line");
  const font = "12px system-ui, sans-serif";
  return {
    width,
    height: props.height ?? 180,
    padding: [10, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    hooks: { setCursor: [(plot) => pointed(plot.cursor.idx ?? null)] },
    scales: { x: { time: true }, y: { range: (_, __, top) => [0, top > 0 ? top * 1.15 : 1] } },
    axes: [
      { stroke: text, font, grid: { show: false }, ticks: { show: false }, space: 74, size: 30, values: (_, at) => at.map(clock) },
      { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 60, space: 36, values: (_, at) => at.map(props.show) },
    ],
    series: [
      {},
      ...props.lines.map((each) => {
        const stroke = resolved(each.colour);
        const dash = each.dashed ? { dash: [5, 4] } : { fill: `color-mix(in srgb, ${stroke} 10%, transparent)` };
        return { label: each.label, stroke, width: 2, points: { show: false }, spanGaps: false, ...dash };
      }),
    ],
  };
}

const clock = (seconds: number): string => new Date(seconds * 1000).toTimeString().slice(0, 8);

const newest = (values: (number | null)[]): number | null => values[values.length - 1] ?? null;

function summary(props: Props): string {
  const parts = props.lines.map((each) => {
    const known = each.values.filter((value): value is number => value !== null);
    if (!known.length) return `${each.label}: nothing yet`;
    const now = newest(each.values);
    return `${each.label}: ${now === null ? "none" : props.show(now)} now, at most ${props.show(Math.max(...known))}`;
  });
  return `${props.title}, the last minutes. ${parts.join(". ")}.`;
}

export function Plot(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.lines.map((each) => each.label).join();
  const painted = repaint.value;

  useEffect(() => {
    const place = box.current!;
    const made = new uPlot(options(latest.current, place.clientWidth, setAt), data(latest.current), place);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: latest.current.height ?? 180 }));
    watch.observe(place);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, painted]);

  useEffect(() => plot.current?.setData(data(props)), [props.times, props.lines]);

  return (
    <figure class="plot">
      <figcaption>
        <span class="title">{props.title}</span>
        <span class="legend" aria-hidden="true">
          {at !== null && props.times[at] !== undefined && <span class="key">{clock(props.times[at]!)}</span>}
          {props.lines.map((each) => {
            const now = at === null ? newest(each.values) : each.values[at] ?? null;
            return (
              <span class="key" key={each.label}>
                <i class={`swatch ${each.colour}${each.dashed ? " dashed" : ""}`} />
                {each.label} <b>{now === null ? "–" : props.show(now)}</b>
              </span>
            );
          })}
        </span>
      </figcaption>
      <div class="canvas" ref={box} role="img" aria-label={summary(props)} />
    </figure>
  );
}

function data(props: Props): uPlot.AlignedData {
  return [props.times, ...props.lines.map((each) => each.values)] as uPlot.AlignedData;
}
