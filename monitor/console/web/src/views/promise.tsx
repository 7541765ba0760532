/** The promise 1-5-20 as three segments, and the deadline that counts now in large digits. */
import type { Incident } from "../answers";
import { second } from "../clock";
import { clock, countdown, span } from "../format";
import { language, t } from "../i18n";
import { legs, nextLeg, type Leg } from "../promise";

const now = (): number => second.value * 1000;

function legText(leg: Leg): string {
  switch (leg.status) {
    case "none":
      return t("noDeadline");
    case "met":
      return `✓ ${span(leg.took, language.value)}`;
    case "late":
      return `! ${span(leg.took, language.value)}`;
    case "running":
      return countdown(leg.left, "up");
    case "missed":
      return `+${countdown(leg.over, "down")}`;
  }
}

function legTitle(leg: Leg): string {
  switch (leg.status) {
    case "none":
      return t("noDeadline");
    case "met":
      return t("took", { span: span(leg.took, language.value) });
    case "late":
      return t("tookLate", { span: span(leg.took, language.value) });
    case "running":
    case "missed":
      return t("dueIn", { span: clock(leg.due) });
  }
}

export function Segments({ incident }: { incident: Incident }) {
  const all = legs(incident, now());
  if (all.every((leg) => leg.status === "none")) return null;
  return (
    <ol class="segments">
      {all.map((leg) => (
        <li key={leg.goal} class={`segment segment-${leg.status}`} data-goal={leg.goal} data-status={leg.status} title={legTitle(leg)}>
          <span class="segment-bar">
            <span class="segment-fill" style={{ width: leg.status === "running" ? `${leg.share * 100}%` : "100%" }} />
          </span>
          <span class="segment-name">{t(`goal_${leg.goal}`)}</span>
          <span class="segment-time mono">{legText(leg)}</span>
        </li>
      ))}
    </ol>
  );
}

/** Without a deadline: how long it has been open. */
export function Countdown({ incident }: { incident: Incident }) {
  const leg = nextLeg(incident, now());
  if (leg?.status === "running") {
    const urgent = leg.left < 30_000 ? " countdown-urgent" : "";
    return (
      <div class={`countdown${urgent}`} data-testid="countdown" data-goal={leg.goal} data-status="running" role="timer">
        <span class="countdown-label">{t(`goalLeft_${leg.goal}`)}</span>
        <span class="countdown-digits mono">{countdown(leg.left, "up")}</span>
      </div>
    );
  }
  if (leg?.status === "missed") {
    return (
      <div class="countdown countdown-missed" data-testid="countdown" data-goal={leg.goal} data-status="missed" role="timer">
        <span class="countdown-label">{t(`goalOver_${leg.goal}`)}</span>
        <span class={`countdown-digits mono${leg.over >= 3_600_000 ? " countdown-long" : ""}`}>+{countdown(leg.over, "down")}</span>
      </div>
    );
  }
  const raised = Date.parse(incident.raised_at);
  const end = incident.closed_at ?? incident.resolved_at;
  const label = end === null ? t("elapsed") : t("tookOpen");
  const passed = (end === null ? now() : Date.parse(end)) - raised;
  return (
    <div class="countdown countdown-open" data-testid="countdown" data-status={end === null ? "open" : "done"}>
      <span class="countdown-label">{label}</span>
      <span class="countdown-span">{span(passed, language.value)}</span>
    </div>
  );
}
