// Numbers, times and sizes as people read them. All of it is text: nothing here makes elements.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit" });

/** A number with separators: 12,345. */
export const count = (value: number): string => whole.format(value);

/** A number in little room: 12.3K; below 10,000 as it is. */
export const brief = (value: number): string => (Math.abs(value) < 10_000 ? count(value) : short.format(value));

/** A rate: one digit after the point where that says something. */
export function rate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : brief(value);
}

/** Milliseconds: 0.12 ms, 4.5 ms, 1.2 s. */
export function millis(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

/** A span of time from milliseconds: 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts: [number, string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [size, name] = parts[at]!;
  const rest = parts[at + 1];
  const more = rest ? Math.floor((seconds % size) / rest[0]) : 0;
  return `${Math.floor(seconds / size)} ${name}${more && rest ? ` ${more} ${rest[1]}` : ""}`;
}

/** Bytes: 512 B, 1.5 KB, 20 MB. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 1000 && at < units.length - 1) {
    left /= 1000;
    at += 1;
  }
  return `${at === 0 || left >= 100 ? left.toFixed(0) : left.toFixed(1)} ${units[at]}`;
}

/** A time of day here, with the date when it was not within the last 20 hours. */
export function time(ms: number): string {
  const date = new Date(ms);
  const near = Math.abs(Date.now() - ms) < 20 * 3_600_000;
  return near ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** A queue without the namespace `default`, as people write it. */
export const plain = (full: string): string => full.replace(/^default:\/\//, "");

/** Singular or plural: 1 message, 2 messages. */
export const several = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
