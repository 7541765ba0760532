/** Dark for the night watch, light where the browser asks for it, or as a person chose. */
import { computed, effect, signal } from "@preact/signals";
import { kept } from "./kept";

type Theme = "dark" | "light";

const choice = kept<Theme | "auto">("theme", "auto", ["auto", "dark", "light"]);
const daylight = matchMedia("(prefers-color-scheme: light)");
const bright = signal(daylight.matches);

export const theme = computed<Theme>(() => (choice.value !== "auto" ? choice.value : bright.value ? "light" : "dark"));

export function switchTheme(): void {
  choice.value = theme.value === "dark" ? "light" : "dark";
}

export function startTheme(): void {
  daylight.addEventListener("change", (event) => (bright.value = event.matches));
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
    const colour = theme.value === "dark" ? "#0d1117" : "#f4f6f8";
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", colour);
  });
}
