// What the API answers, as far as the page shows it. The whole of it is in /v1/openapi.json.

export interface Sample {
  atMs: number;
  stored: number;
  settled: number;
  lag: number;
  inFlight: number;
  connections: number;
  sendP50Ms: number | null;
  sendP99Ms: number | null;
  busy: QueueRate[];
}

export interface QueueRate {
  name: string;
  stored: number;
  settled: number;
  lag: number;
  inFlight: number;
}

export interface Series {
  atMs: number[];
  stored: number[];
  settled: number[];
  lag: number[];
  inFlight: number[];
  connections: number[];
  sendP50Ms: (number | null)[];
  sendP99Ms: (number | null)[];
}

export interface Overview {
  version: string;
  user: string;
  startedMs: number;
  capabilities: string[];
  queues: number;
  messages: number;
  delayed: number;
  lag: number;
  inFlight: number;
  deadLetters: number;
}

export type Value = string | number | boolean | { long?: string; double?: string; binary?: string };

/** A message, flat, and where it lies. The body is `text`, or `data` in base64. */
export interface Message {
  messageId: string;
  queue: string;
  partition: number;
  offset: number;
  bornTimestamp: number;
  storeTimestamp: number;
  bornHost?: string;
  text?: string;
  data?: string;
  messageKey?: string;
  properties?: Record<string, Value>;
}

export interface Found {
  messages: Message[];
  lookedAt: number;
  next: string | null;
}

export interface Queue {
  name: string;
  partitions: number;
  messages: number;
  delayed: number;
  expired: number;
  groups: string[];
  offsets: { first: number; next: number; laneOf: number | null; priority: number | null }[];
  config: Record<string, unknown>;
}

export interface Sent {
  messageId: string;
  queue: string;
  partition: number;
  offset: number;
}

export interface Group {
  name: string;
  queue: string;
  lag: number;
  inFlight: number;
  retrying: number;
  deadLetterQueue: string;
  oldestTimestamp: number | null;
  expired: number;
  config: Record<string, unknown>;
}

export interface Redriven {
  found: number;
  matched: number;
  redriven: number;
  kept: { offset: number; reason: string }[];
}

export interface Delayed {
  messageId: string;
  queue: string;
  partition: number;
  dueTimestamp: number;
  messageKey: string | null;
  sizeBytes: number;
}

export interface Route {
  name: string;
  source: string;
  targets: string[];
  operators: string[];
  lag: number;
  routed: number;
  dropped: number;
  dead: number;
  trouble: string | null;
}

export interface Explanation {
  route: string;
  source: string;
  steps: { operator: string; verdict: string; detail: string }[];
  targets: string[];
  then: Explanation[];
}

export interface Connection {
  client: string;
  address: string;
  user: string;
  sinceMs: number;
  groups: [queue: string, group: string][];
  storingBytes: number;
  reads: boolean;
}

export interface Connections {
  http: number;
  connections: Connection[];
}

export interface Token {
  id: string;
  note: string;
  expiresMs: number | null;
}

export interface User {
  name: string;
  roles: string[];
  grants: string[];
  signsInBy: string[];
  disabled: boolean;
  tokens: Token[];
}

export interface Users {
  you: string;
  users: User[];
}
