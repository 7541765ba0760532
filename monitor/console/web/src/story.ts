/** A timeline entry as one plain sentence. Knows no view and no request; names come through the lookups. */
import type { Entry, Kind, Value } from "./answers";
import { language, pick, t } from "./i18n";
import { isIdle, quantityName, value as formatValue } from "./format";
import { WORDS, type Key } from "./words";
import type { Goal } from "./promise";
import { quantities, stations } from "./store";

export type Tone = "alarm" | "good" | "bad" | "person" | "plain";

export interface Line {
  text: string;
  tone: Tone;
  /** Who did it; empty when nobody did. */
  by: string;
  note: string;
  /** The devices, or the zone, that it is about. */
  subjects: string[];
  readings: string;
  /** How a push fared: detail that most readers do without. */
  delivery: boolean;
}

const TONES: Readonly<Record<string, Tone>> = {
  raised: "alarm",
  joined: "alarm",
  escalated: "alarm",
  confirmed: "alarm",
  realarm: "alarm",
  returned: "good",
  dispatched: "good",
  overdue: "bad",
  uncovered: "bad",
  push_failed: "bad",
  push_dead: "bad",
  acknowledged: "person",
  on_scene: "person",
  resolved: "person",
  reset: "person",
  closed: "person",
  note: "person",
};

const text = (value: Value | null | undefined): string => (value == null ? "" : String(value));

export function stationName(key: string): string {
  const station = stations.value.get(key);
  return station ? pick(station.name) : key;
}

export function valueWords(): { yes: string; no: string } {
  return { yes: t("yes"), no: t("no") };
}

function readingsOf(detail: Entry["detail"]): string {
  const found = Object.entries(detail).filter(([name]) => name.startsWith("reading."));
  return found
    .filter(([name, value]) => !isIdle(value, quantities.value.get(name.slice(8))))
    .map(([name, value]) => {
      const quantity = quantities.value.get(name.slice(8));
      const label = quantityName(name.slice(8), quantity, language.value);
      return value === null ? label : `${label} ${formatValue(value, quantity, valueWords())}`;
    })
    .join(language.value === "zh" ? "，" : ", ");
}

/** The words of a step, without what it is about. */
function sentence({ step, detail }: Entry): string {
  const title = language.value === "zh" ? text(detail["title_zh"]) : text(detail["title_en"]);
  if (step === "returned" && detail["latched"] === true) return t("step_returnedLatched");
  if (step === "resolved" && text(detail["by"]) === "") return t("step_resolvedItself");
  const key = `step_${step}`;
  if (!(key in WORDS)) return step;
  const kind = text(detail["kind"]);
  const disposition = text(detail["disposition"]);
  return t(key as Key, {
    title,
    kind: kind in WORDS ? t(kind as Kind) : kind,
    station: stationName(text(detail["station"])) || t("noStation"),
    channel: text(detail["channel"]),
    attempt: text(detail["attempt"]),
    goal: step === "overdue" ? t(`goal_${text(detail["goal"]) as Goal}`) : "",
    disposition: `disposition_${disposition}` in WORDS ? t(`disposition_${disposition}` as Key) : disposition,
  });
}

export function tell(entry: Entry): Line {
  const { step, detail } = entry;
  const evidence = text(detail["evidence"]);
  const doubtful = `freshness_${evidence}` in WORDS;
  const remark = doubtful ? t("evidence", { what: t(`freshness_${evidence}` as Key) }) : "";
  return {
    text: sentence(entry),
    tone: TONES[step] ?? "plain",
    by: text(detail["by"]),
    note: text(detail["note"]) || text(detail["reply"]) || remark,
    subjects: [text(detail["device"]) || text(detail["subject"])].filter(Boolean),
    readings: readingsOf(detail),
    delivery: step.startsWith("push_"),
  };
}

const TOGETHER_MS = 2000;

/** The same said of several devices at once, as after a reset, is one line. */
export function condense(entries: readonly Entry[]): [Entry, Line][] {
  const lines: [Entry, Line][] = [];
  for (const entry of entries) {
    const line = tell(entry);
    const [before, last] = lines.at(-1) ?? [];
    const same = before?.step === entry.step && last?.text === line.text && last.readings === line.readings;
    if (last && same && last.note === line.note && Date.parse(entry.at) - Date.parse(before.at) < TOGETHER_MS) {
      last.subjects = [...new Set([...last.subjects, ...line.subjects])];
    } else lines.push([entry, line]);
  }
  return lines;
}
