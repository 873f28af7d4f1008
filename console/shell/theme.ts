/** Light, dark, or as the system has it; of this browser. */
export type Theme = "system" | "light" | "dark";

const STORED = "bellhop.theme";

export function readTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function applyTheme(theme: Theme = readTheme()): void {
  localStorage.setItem(STORED, theme);
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
}
