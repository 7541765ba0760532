/** Moments, spans and values as people read them. Knows no signal: the language is given. Milliseconds throughout. */
import type { Quantity, Value } from "./answers";
import type { Language } from "./i18n";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (n: number): string => String(n).padStart(2, "0");

/** `04:09`, from an hour on `1:04:09`. Time left is rounded up, so that 00:00 means that it is over. */
export function countdown(ms: number, round: "up" | "down"): string {
  const s = Math.max(0, round === "up" ? Math.ceil(ms / SECOND) : Math.floor(ms / SECOND));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`;
}

const UNITS = { zh: [" 秒", " 分", " 小时", " 天"], en: [" s", " min", " h", " d"] } as const;

/** `<1 秒`, `45 秒`, `1 分 12 秒`, `2 小时 5 分`, `3 天 4 小时`. */
export function span(ms: number, language: Language): string {
  const [s, m, h, d] = UNITS[language];
  if (ms > 0 && ms < SECOND) return `<1${s}`;
  const total = Math.max(0, Math.round(ms / SECOND));
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small > 0 ? `${big}${bigUnit} ${small}${smallUnit}` : `${big}${bigUnit}`;
  if (total < 60) return `${total}${s}`;
  if (total < 3600) return pair(Math.floor(total / 60), m, total % 60, s);
  if (total < 86_400) return pair(Math.floor(total / 3600), h, Math.floor(total / 60) % 60, m);
  return pair(Math.floor(total / 86_400), d, Math.floor(total / 3600) % 24, h);
}

/** `刚刚`, `12 秒前`, `3 分钟前`. */
export function age(ms: number, language: Language): string {
  const ago = (n: number, zh: string, en: string): string => (language === "zh" ? `${n} ${zh}前` : `${n} ${en} ago`);
  if (ms < SECOND) return language === "zh" ? "刚刚" : "just now";
  if (ms < MINUTE) return ago(Math.floor(ms / SECOND), "秒", "s");
  if (ms < HOUR) return ago(Math.floor(ms / MINUTE), "分钟", "min");
  if (ms < DAY) return ago(Math.floor(ms / HOUR), "小时", "h");
  return ago(Math.floor(ms / DAY), "天", "d");
}

/** `08:01:12`, by this machine's time zone. */
export function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `08:01:12` of the day of `now`, otherwise `11-22 08:01:12`, of another year `2025-11-22 08:01:12`. */
export function moment(ms: number, now: number): string {
  const [at, today] = [new Date(ms), new Date(now)];
  if (at.toDateString() === today.toDateString()) return clock(ms);
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${at.getFullYear() === today.getFullYear() ? "" : `${at.getFullYear()}-`}${day} ${clock(ms)}`;
}

/** For an `<input type=datetime-local>`. */
export function localInput(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** At most four digits that mean something: 0.312, 24.6, 1034. */
export function number(value: number): string {
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

export function value(value: Value, quantity: Quantity | undefined, words: { yes: string; no: string }): string {
  if (typeof value === "boolean") return value ? words.yes : words.no;
  if (typeof value === "string") return value;
  if (quantity?.kind === "flag") return value !== 0 ? words.yes : words.no;
  const unit = quantity?.unit ?? "";
  return `${number(value)}${unit === "" || unit === "%" ? unit : ` ${unit}`}`;
}

/** A flag that is not raised tells nobody anything. */
export function isIdle(value: Value | null | undefined, quantity: Quantity | undefined): boolean {
  return value === false || (value === 0 && quantity?.kind === "flag");
}

export function quantityName(name: string, quantity: Quantity | undefined, language: Language): string {
  return quantity === undefined ? name : language === "zh" ? quantity.zh : quantity.en;
}
