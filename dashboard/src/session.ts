// Who is signed in. The credentials live in this tab alone and travel in a header, never in a cookie: no other site can
// make a browser send them.
import { signal } from "@preact/signals";

const KEY = "authorization";

export const authorization = signal<string | null>(sessionStorage.getItem(KEY));

/** Whether the server wants to know who asks. */
export const refused = signal(false);

/** What a sign-in form says, as the header's value. */
export function credentials(account: string, secret: string): string {
  if (!account) return `Bearer ${secret}`;
  const bytes = new TextEncoder().encode(`${account}:${secret}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

export function signIn(value: string): void {
  sessionStorage.setItem(KEY, value);
  authorization.value = value;
  refused.value = false;
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  authorization.value = null;
}

/** Whether the server answers. */
export const link = signal<"connecting" | "live" | "broken">("connecting");
