// Light, dark, or as the system says; kept for the next visit.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "theme";

function stored(): Theme {
  const found = localStorage.getItem(KEY);
  return found === "light" || found === "dark" ? found : "system";
}

export const theme = signal<Theme>(stored());

/** Counts up when colours change, for what is painted and not styled. */
export const repaint = signal(0);

effect(() => {
  const chosen = theme.value;
  if (chosen === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  document.documentElement.dataset.theme = chosen;
  repaint.value = repaint.peek() + 1;
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  repaint.value = repaint.peek() + 1;
});
