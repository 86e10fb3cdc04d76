// The conformance kit's protocol over the HTTP binding of `oms serve`: Node.js 18 or newer, nothing to install.
//
//   oms conformance http --adapter "node spec/conformance/adapter.mjs"
//
// The last argument is the access point's URL, oms:http://HOST:PORT/REGION. What this adapter does not know it refuses
// with OMSUnsupportException and does not declare. `spec/conformance.md` says what each operation means.

import { createInterface } from "node:readline";

const { hostname, port } = new URL(process.argv.at(-1).replace(/^oms:/, ""));
const BASE = `http://${hostname}:${port}/v1`;
const CAPABILITIES = [
  "admin", "seek", "dead-letter", "redrive", "delay", "recall", "expiry", "priority", "filter", "routing", "key-order",
  "lease", "extend-lease", "nack-delay", "atomic-batch", "peek", "namespaces", "listing", "cancel", "lifecycle", "metadata",
];
const MAX_BODY = 4 * 1024 * 1024; // a request of JSON may have 8 MiB, with the body in base64

class Refusal extends Error {
  constructor(kind, code, reason, field) {
    super(reason);
    this.document = { class: kind, code, reason, field };
  }
}

const refuse = (kind, code, reason, field) => {
  throw new Refusal(kind, code, reason, field);
};
const unsupported = (what) => refuse("OMSUnsupportException", 1400, `${what} is not supported here`, what);

// ---- HTTP ------------------------------------------------------------------------------------------------------------

async function ask(method, path, body, signal) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(BASE + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (failure) {
    if (signal?.aborted) throw failure;
    refuse("OMSRuntimeException", 1503, `the server cannot be reached: ${failure.cause ?? failure}`);
  }
  const text = await answer.text();
  const found = text ? JSON.parse(text) : null;
  if (!answer.ok) refuse(found.class ?? "OMSRuntimeException", found.code, found.detail ?? found.title, found.field);
  return found;
}

const name = (text) => encodeURIComponent(text);
const group = (consumer, queue) => `/queues/${name(queue)}/groups/${name(consumer.group)}`;

// ---- messages --------------------------------------------------------------------------------------------------------

const HEADER = ["messageId", "destination", "bornTimestamp", "bornHost", "qos", "compression"];
const EXTENSION = [
  "storeTimestamp", "storeHost", "messageKey", "correlationId", "delayTime", "expireTime", "transactionId", "traceId",
  "deliveryCount", "priority", "partition", "offset",
];
const PROVIDED = new Set(["messageId", "bornTimestamp", "bornHost", "storeTimestamp", "storeHost", "deliveryCount", "offset"]);

/** What the HTTP binding takes, of a message in the standard's form. */
function outgoing(document) {
  const { version, header = {}, extensionHeader = {}, properties = {}, data } = document.message;
  if (version.split(".").slice(0, 2).join(".") !== "1.0") refuse("OMSUnsupportException", 1101, `version ${version}`, "version");
  const message = { properties, data: data ?? "" };
  for (const [field, value] of Object.entries({ ...header, ...extensionHeader })) {
    if (field !== "destination" && !PROVIDED.has(field)) message[field] = value;
  }
  return { queue: header.destination, message };
}

/** A message in the standard's form, of what the HTTP binding gives. */
function incoming(found, queue) {
  const message = { version: "1.0.0", header: {}, extensionHeader: {}, properties: found.properties ?? {} };
  for (const field of HEADER) if (found[field] !== undefined && found[field] !== null) message.header[field] = found[field];
  for (const field of EXTENSION) if (found[field] !== undefined && found[field] !== null) message.extensionHeader[field] = found[field];
  if (queue) message.header.destination ??= full(queue);
  const data = found.data ?? Buffer.from(found.text ?? (found.json === undefined ? "" : JSON.stringify(found.json))).toString("base64");
  if (data) message.data = data;
  return { message };
}

// ---- handles ---------------------------------------------------------------------------------------------------------

const handles = new Map();
let count = 0;
const keep = (kind, thing) => {
  const handle = `${kind}-${++count}`;
  handles.set(handle, thing);
  return handle;
};
const get = (handle) => handles.get(handle) ?? refuse("OMSRuntimeException", 1418, `there is no ${handle}`, "handle");
const started = (service) => {
  if (service.state !== "STARTED") refuse("OMSRuntimeException", 1503, `it is ${service.state}`);
};
const full = (queue) => (queue.includes("://") ? queue : `default://${queue}`);

/** Options of this adapter's consumers as settings of a group. */
function settings(options) {
  const known = { start: "start", order: "order", invisibleTime: "invisible_time", filter: "filter" };
  const found = {};
  for (const [option, value] of Object.entries(options)) {
    if (option === "backoff") {
      const { maxDelivery, ...rest } = value;
      found.backoff = maxDelivery === undefined ? rest : { ...rest, max_delivery: maxDelivery };
    } else if (option in known) found[known[option]] = value;
    else if (option !== "prefetch") unsupported(option);
  }
  return found;
}

async function join(consumer, queue) {
  await ask("PUT", group(consumer, queue), consumer.settings);
}

async function settle(consumer, verb, receipts, more = {}) {
  const byQueue = new Map();
  for (const receipt of receipts) {
    if (verb === "ack" && consumer.done.has(receipt)) continue; // again is no error
    const queue = consumer.held.get(receipt) ?? consumer.queues[0];
    if (!queue) refuse("OMSRuntimeException", 1418, "the receipt is of a queue that is not bound", "receipt");
    byQueue.set(queue, [...(byQueue.get(queue) ?? []), receipt]);
  }
  for (const [queue, some] of byQueue) {
    const answer = await ask("POST", `${group(consumer, queue)}/${verb}`, { receipts: some, ...more });
    for (const failure of answer.failures ?? []) {
      const { class: kind, code, detail, title } = failure.error ?? failure;
      refuse(kind ?? "OMSRuntimeException", code, detail ?? title);
    }
    if (verb === "ack") for (const receipt of some) consumer.done.add(receipt);
  }
}

const sendResult = (found, queue) => ({
  duplicate: false, ...found, destination: found.queue ?? full(queue),
});

// ---- operations ------------------------------------------------------------------------------------------------------

const operations = {
  async connect({ url, attributes, namespace }) {
    if (url && url !== process.argv.at(-1)) unsupported("another access point");
    if (attributes && Object.keys(attributes).length) unsupported("attributes of an access point");
    if (namespace) unsupported("another namespace");
    await ask("GET", "/namespaces");
    return { point: keep("point", { open: true }), capabilities: CAPABILITIES, emulated: [], maxBodyBytes: MAX_BODY, version: "javascript", specVersion: "1.0.0" };
  },
  async start({ service }) {
    const found = get(service);
    if (found.queues) for (const queue of found.queues) await join(found, queue);
    if (found.stop) found.stop = new AbortController();
    found.state = "STARTED";
  },
  async stop({ service }) {
    const found = get(service);
    if (found.state !== "STARTED") return;
    found.state = "STOPPED";
    found.stop?.abort();
  },
  async state({ service }) { return get(service).state; },
  async flush() {},
  async release({ handle }, signal) {
    const found = handles.get(handle);
    handles.delete(handle);
    if (found?.open) {
      found.open = false;
      for (const each of handles.values()) if (each.point === found) each.state = "STOPPED";
    }
    if (!found?.queues) return;
    found.state = "STOPPED";
    found.stop.abort();
  },

  async createProducer({ point, start = true, ...options }) {
    for (const option of Object.keys(options)) unsupported(option);
    return keep("producer", { point: get(point), state: start ? "STARTED" : "INITIALIZED" });
  },
  async send({ producer, message, messages }, signal) {
    started(get(producer));
    const sent = (message ? [message] : messages).map(outgoing);
    if (!sent.length) return { results: [], messages: [] };
    const queues = [...new Set(sent.map((each) => each.queue))];
    let results;
    if (queues.length === 1) {
      const body = message ? sent[0].message : { messages: sent.map((each) => each.message) };
      const answer = await ask("POST", `/queues/${name(queues[0])}/messages`, body, signal);
      results = answer.results ?? [answer];
    } else {
      const parts = queues.map((queue) => ({ queue, messages: sent.filter((each) => each.queue === queue).map((each) => each.message) }));
      const answer = await ask("POST", "/commit", { send: parts, ack: [] }, signal);
      const order = queues.flatMap((queue) => sent.map((each, at) => [each, at]).filter(([each]) => each.queue === queue).map(([, at]) => at));
      results = [];
      order.forEach((at, place) => { results[at] = answer.results[place]; });
    }
    const told = results.map((found, at) => sendResult(found, sent[at].queue));
    const after = (message ? [message] : messages).map((document, at) => {
      const header = { ...document.message.header, messageId: told[at].messageId };
      return { message: { ...document.message, header } };
    });
    return { results: told, messages: after };
  },
  async cancelDelayed({ queue, messageId }) {
    try {
      await ask("DELETE", `/queues/${name(queue)}/delayed/${name(messageId)}`);
      return true;
    } catch (refusal) {
      if ([1400, 1404, 1414].includes(refusal.document?.code)) return false;
      throw refusal;
    }
  },
  async reschedule({ queue, messageId, delay }) {
    await ask("PATCH", `/queues/${name(queue)}/delayed/${name(messageId)}`, { delay });
    return true;
  },

  async createPullConsumer({ point, queues = [], group: named = "default", started: now = true, broadcast, interceptors, ...options }) {
    get(point);
    if (broadcast || interceptors) unsupported(broadcast ? "broadcast" : "interceptors");
    const consumer = {
      queues: [...queues], group: named, settings: settings(options), prefetch: options.prefetch, held: new Map(), done: new Set(),
      state: now ? "STARTED" : "INITIALIZED", stop: new AbortController(),
    };
    if (now) for (const queue of queues) await join(consumer, queue);
    return keep("consumer", consumer);
  },
  async bindQueues({ consumer, queues }) {
    const found = get(consumer);
    for (const queue of queues) { await join(found, queue); found.queues.push(queue); }
  },
  async unbindQueues({ consumer, queues }) {
    const found = get(consumer);
    found.queues = found.queues.filter((each) => !queues.includes(each));
  },
  async boundQueues({ consumer }) {
    const { queues } = get(consumer);
    return queues.length ? queues.map(full).sort() : null;
  },
  async receive({ consumer, maxMessages = 1, timeout = 3600 }, signal) {
    const found = get(consumer);
    started(found);
    if (!found.queues.length) refuse("OMSRuntimeException", 1418, "no queue is bound");
    const deadline = Date.now() + timeout * 1000;
    const several = found.queues.length > 1;
    for (let at = 0; ; at++) {
      const queue = found.queues[at % found.queues.length];
      const left = Math.max(deadline - Date.now(), 0) / 1000;
      const wait = several ? Math.min(left, 0.05) : Math.min(left, 20);
      let answer;
      try {
        answer = await ask("POST", `${group(found, queue)}/receive`, { maxMessages: Math.min(maxMessages, 1000), wait }, AbortSignal.any([signal, found.stop.signal]));
      } catch (failure) {
        if (found.stop.signal.aborted) return [];
        throw failure;
      }
      const messages = answer?.messages ?? [];
      for (const each of messages) found.held.set(each.receipt, queue);
      if (messages.length || found.state !== "STARTED") {
        return messages.map((each) => ({ message: incoming(each, queue), receipt: each.receipt }));
      }
      if (Date.now() >= deadline && at + 1 >= found.queues.length) return [];
    }
  },
  async ack({ consumer, receipts }) { await settle(get(consumer), "ack", receipts, { durable: true }); },
  async nack({ consumer, receipt, delay, reason }) { await settle(get(consumer), "nack", [receipt], { delay, reason, durable: true }); },
  async reject({ consumer, receipt, reason }) { await settle(get(consumer), "reject", [receipt], { reason, durable: true }); },
  async extend({ consumer, receipt, seconds }) { await settle(get(consumer), "extend", [receipt], { seconds }); },

  async createNamespace({ name: space }) { await ask("POST", "/namespaces", { name: space }); },
  async deleteNamespace({ name: space }) { await ask("DELETE", `/namespaces/${name(space)}`); },
  async listNamespaces() { return (await ask("GET", "/namespaces")).names.sort(); },
  async createQueue({ queue, partitions = 1, config = {} }) { await ask("POST", "/queues", { name: queue, partitions, config }); },
  async deleteQueue({ queue }) { await ask("DELETE", `/queues/${name(queue)}`); },
  async purgeQueue({ queue }) { return (await ask("POST", `/queues/${name(queue)}/purge`))?.purged ?? 0; },
  async listQueues({ namespace }) {
    const found = await ask("GET", `/queues${namespace ? `?namespace=${name(namespace)}` : ""}`);
    return (found.names ?? found.queues.map((each) => each.name ?? each)).sort();
  },
  async describeQueue({ queue }) { return ask("GET", `/queues/${name(queue)}`); },
  async listGroups({ queue }) { return (await ask("GET", `/queues/${name(queue)}/groups`)).groups.map((each) => each.name).sort(); },
  async describeGroup({ queue, group: named }) { return ask("GET", `/queues/${name(queue)}/groups/${name(named)}`); },
  async deleteGroup({ queue, group: named }) { await ask("DELETE", `/queues/${name(queue)}/groups/${name(named)}`); },
  async seekGroup({ queue, group: named, to }) { await ask("POST", `/queues/${name(queue)}/groups/${name(named)}/seek`, { to }); },
  async filter({ queue, sql }) { await ask("PATCH", `/queues/${name(queue)}`, { filter: sql || null }); },
  async queueMetaData({ queue }) {
    const found = await ask("GET", `/queues/${name(queue)}`);
    return found.offsets.map((_, partitionId) => ({ queueName: full(queue), partitionId }));
  },
  async getFilter({ queue }) { return (await ask("GET", `/queues/${name(queue)}`)).config.filter ?? null; },
  async listDelayed({ queue }) { return (await ask("GET", `/queues/${name(queue)}/delayed`)).messages.map((each) => each.messageId); },
  async routing({ source, target }) { await ask("POST", "/routes", { name: `${source}-to-${target}`, source, targets: [target] }); },
  async createRouting({ name: route, source, targets, operators = [] }) { await ask("POST", "/routes", { name: route, source, targets, operators }); },
  async deleteRouting({ name: route }) { await ask("DELETE", `/routes/${name(route)}`); },
  async listRoutings() { return (await ask("GET", "/routes")).routes.map((each) => each.name).sort(); },
  async peek({ queue, group: named, maxMessages = 10 }) {
    const found = await ask("GET", `/queues/${name(queue)}/groups/${name(named)}/peek?maxMessages=${maxMessages}`);
    return found.messages.map((each) => incoming(each));
  },
  async deadLetters({ queue, group: named }) {
    return (await ask("GET", `/queues/${name(queue)}/groups/${name(named)}/dead-letters`)).messages.map((each) => incoming(each));
  },
  async redrive({ queue, group: named }) {
    return (await ask("POST", `/queues/${name(queue)}/groups/${name(named)}/dead-letters/redrive`, {})).redriven;
  },
};

// ---- the protocol ----------------------------------------------------------------------------------------------------

const running = new Map();

async function perform({ id, operation, arguments: given = {} }) {
  const abort = new AbortController();
  running.set(id, abort);
  let answer;
  try {
    if (!(operation in operations)) unsupported(`the operation ${operation}`);
    answer = { id, result: (await operations[operation](given, abort.signal)) ?? null };
  } catch (failure) {
    const error = failure.document ?? { class: abort.signal.aborted ? "cancelled" : failure.name, code: null, reason: String(failure) };
    answer = { id, error };
  }
  running.delete(id);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const request = JSON.parse(line);
    if ("cancel" in request) running.get(request.cancel)?.abort();
    else perform(request);
  })
  .on("close", () => process.exit(0));
