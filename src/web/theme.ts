/** Light or dark: as the system has it, until a person chooses. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "vbal-theme";

export const theme = signal<Theme>(readTheme());

export function applyTheme(): void {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset["theme"];
  else dataset["theme"] = theme.value;
}

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(KEY, chosen);
  applyTheme();
}

function readTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}
