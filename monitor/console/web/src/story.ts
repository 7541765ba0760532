/** A timeline entry as one plain sentence. Knows no view and no request; names come through the lookups. */
import type { Entry, Value } from "./answers";
import { attached, type Attached } from "./attachments";
import { channelName } from "./channels";
import { serverNow } from "./clock";
import { language, named, t } from "./i18n";
import { isIdle, moment, quantityName, span, value as formatValue } from "./format";
import { personName, stationName } from "./people";
import { COMMANDS, COMMAND_REASONS, WORDS, type Key } from "./words";
import type { Goal } from "./promise";
import { quantities } from "./store";

export type Tone = "alarm" | "good" | "bad" | "person" | "held" | "plain";

export interface Line {
  text: string;
  tone: Tone;
  /** Who did it; empty when nobody did. */
  by: string;
  note: string;
  /** What a reporter sent along. */
  attached: Attached;
  /** The devices, or the zone, that it is about. */
  subjects: string[];
  /** Who was called, and how. */
  people: string[];
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
  exhausted: "bad",
  handed_over: "alarm",
  command_failed: "bad",
  command_done: "good",
  withheld: "held",
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

export function valueWords(): { yes: string; no: string } {
  return { yes: t("yes"), no: t("no") };
}

function readingsOf(detail: Entry["detail"]): string {
  // A photo is shown as a picture, where its note is.
  const found = Object.entries(detail).filter(([name]) => name.startsWith("reading.") && name !== "reading.photo");
  return found
    .filter(([name, value]) => !isIdle(value, quantities.value.get(name.slice(8))))
    .map(([name, value]) => {
      const quantity = quantities.value.get(name.slice(8));
      const label = quantityName(name.slice(8), quantity, language.value);
      return value === null ? label : `${label} ${formatValue(value, quantity, valueWords())}`;
    })
    .join(language.value === "zh" ? "，" : ", ");
}

/** A word that has one; otherwise as it stands. */
const word = (prefix: string, name: string): string => (prefix + name in WORDS ? t((prefix + name) as Key) : name);

const listed = (names: readonly string[]): string => names.join(language.value === "zh" ? "、" : ", ");

/** Which sentence: some steps have several. */
function keyOf({ step, detail, incident }: Entry): string {
  const by = text(detail["by"]);
  switch (step) {
    case "returned":
      if (text(detail["because"]) !== "") return "returnedByBook";
      return detail["latched"] === true ? "returnedLatched" : step;
    case "resolved":
      return by === "" ? "resolvedItself" : step;
    case "closed":
      // Nobody ends a drill: its time or a real fire does (rules/response.py).
      return by !== "" ? step : detail["note"] === "a real fire" ? "drillOverFire" : "drillOver";
    case "flood":
      return detail["lead"] === incident ? "floodLead" : step;
    case "commanded":
      return detail["mode"] === "dry-run" ? "commandedDry" : detail["mode"] === "refused" ? "commandedNot" : step;
    case "push_queued":
      return isAround(detail) ? "calledAround" : isSpread(detail) ? "calledSpread" : step;
    default:
      return step;
  }
}

const isAround = (detail: Entry["detail"]): boolean => text(detail["step"]).startsWith("around");
const isSpread = (detail: Entry["detail"]): boolean => text(detail["step"]).startsWith("spread");

/** How a push fared: detail that most readers do without. That somebody else is called in place of a failed call is not. */
export const isDelivery = ({ step, detail }: Entry): boolean =>
  step.startsWith("push_") && !(step === "push_queued" && (isAround(detail) || isSpread(detail)));

/** `短信 → 王值班`; of a station's own channel its name alone. */
function called(detail: Entry["detail"]): string {
  const [channel, to] = [channelName(text(detail["channel"])), text(detail["to"])];
  return to === "" ? channel : t("toWhom", { channel, who: personName(to) });
}

/** The words of a step, without what it is about. */
function sentence(entry: Entry): string {
  const { detail } = entry;
  const key = `step_${keyOf(entry)}`;
  if (!(key in WORDS)) return entry.step;
  const parts = (name: string): string[] => text(detail[name]).split(", ").filter(Boolean);
  return t(key as Key, {
    title: language.value === "zh" ? text(detail["title_zh"]) : text(detail["title_en"]),
    kind: word("", text(detail["kind"])),
    station: stationName(text(detail["station"])) || t("noStation"),
    channel: called(detail),
    attempt: text(detail["attempt"]),
    goal: word("goal_", text(detail["goal"]) as Goal),
    disposition: word("disposition_", text(detail["disposition"])),
    rung: Number(detail["rung"] ?? 0) + 1,
    targets: listed(parts("targets").map((target) => word("target_", target))),
    to: listed(parts("to").map(stationName)),
    left: span(Number(detail["left"] ?? 0) * 1000, language.value),
    lead: text(detail["lead"]),
    measure: word("measure_", text(detail["measure"])),
    until: moment(Date.parse(text(detail["until"])) || 0, serverNow()),
    command: named(COMMANDS, text(detail["command"])),
  });
}

/** What stands below the sentence. */
function noteOf({ step, detail }: Entry): string {
  const reply = text(detail["reply"]);
  if (step === "withheld") return [text(detail["why"]), text(detail["compensation"])].filter(Boolean).join(" · ");
  if (step.startsWith("command")) return [named(COMMAND_REASONS, text(detail["why"])), reply].filter(Boolean).join(" · ");
  if (step === "closed" && text(detail["by"]) === "") return "";
  if (step === "resolved" && text(detail["by"]) === "") return "";
  const evidence = text(detail["evidence"]);
  const remark = `freshness_${evidence}` in WORDS ? t("evidence", { what: t(`freshness_${evidence}` as Key) }) : "";
  const via = `via_${text(detail["via"])}` in WORDS ? t(`via_${text(detail["via"])}` as Key) : "";
  return text(detail["note"]) || reply || remark || via;
}

export function tell(entry: Entry): Line {
  const { step, detail } = entry;
  const sent = attached(noteOf(entry), text(detail["via"]));
  const instead = step === "push_queued" && !isDelivery(entry);
  return {
    text: sentence(entry),
    tone: instead ? "bad" : (TONES[step] ?? "plain"),
    // What a device did by itself has no person; a command's `by` says how it was shown.
    by: step.startsWith("command") ? "" : text(detail["by"]),
    note: sent.text,
    attached: sent,
    subjects: [text(detail["device"]) || text(detail["subject"])].filter(Boolean),
    people: instead ? [called(detail)] : [],
    readings: readingsOf(detail),
    delivery: isDelivery(entry),
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
      last.people = [...new Set([...last.people, ...line.people])];
    } else lines.push([entry, line]);
  }
  return lines;
}
