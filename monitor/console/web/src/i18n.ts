/** The language of the page, and words in it. Chinese unless the browser asks for English and no Chinese, or a person switched. */
import { effect } from "@preact/signals";
import type { Words } from "./answers";
import { kept } from "./kept";
import { TROUBLES, WORDS, type Key } from "./words";

export type Language = "zh" | "en";

export function preferred(languages: readonly string[]): Language {
  const known = languages.map((it) => it.slice(0, 2).toLowerCase()).filter((it) => it === "zh" || it === "en");
  return known[0] === "en" ? "en" : "zh";
}

export const language = kept<Language>("language", preferred(navigator.languages), ["zh", "en"]);

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});

const index = (): 0 | 1 => (language.value === "zh" ? 0 : 1);

export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The words of a key in the present language; a view that calls it follows the switch. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(WORDS[key][index()], values);
}

/** `history:influx` → 历史库未写入（influx）. */
export function troubleName(source: string): string {
  const [head = source, name] = source.split(/[:/]/, 2);
  const words = named(TROUBLES, head);
  return !name ? words : language.value === "zh" ? `${words}（${name}）` : `${words} (${name})`;
}

/** A pair of the API in the present language; the other one where it is missing. */
export function pick(words: Words): string {
  return language.value === "zh" ? words.zh || words.en : words.en || words.zh;
}

/** The word for a name that others make up; the name itself where there is none. */
export function named(words: Readonly<Record<string, readonly [string, string]>>, name: string): string {
  return words[name]?.[index()] ?? name;
}
