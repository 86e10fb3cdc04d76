// The queues of all namespaces, which the API lists one namespace at a time.
import { get, query } from "./api";
import type { Queue } from "./types";
import { type Loaded, useLoaded } from "./use";

export async function allQueues(signal: AbortSignal): Promise<Queue[]> {
  const { names } = await get<{ names: string[] }>("namespaces", signal);
  const lists = await Promise.all(names.map((namespace) => get<{ queues: Queue[] }>(`queues${query({ namespace })}`, signal)));
  return lists.flatMap((list) => list.queues);
}

export const useQueues = (seconds?: number): Loaded<Queue[]> => useLoaded("queues", allQueues, seconds);
