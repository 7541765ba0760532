/** Where the minute went: one bar from what the device sensed until a person took it on, with the mark of 60 seconds. */
import type { Entry, Incident } from "../answers";
import { second } from "../clock";
import { number, span } from "../format";
import { hopsOf } from "../hops";
import { language, t } from "../i18n";
import { Section } from "./parts";

const MINUTE_MS = 60_000;

/** Tenths count below ten seconds. */
const short = (ms: number): string =>
  ms < 9950 ? t("seconds", { n: number(Math.round(ms / 100) / 10) }) : span(ms, language.value);

export function Hops({ incident, timeline }: { incident: Incident; timeline: readonly Entry[] }) {
  const hops = hopsOf(incident, timeline, second.value * 1000);
  if (hops.length === 0) return null;
  const total = hops.reduce((sum, { took }) => sum + took, 0);
  const whole = Math.max(total, MINUTE_MS * 1.1);
  const slowest = hops.reduce((a, b) => (b.took > a.took ? b : a));
  return (
    <Section
      title={t("hops")}
      testid="hops"
      aside={
        <span class={total > MINUTE_MS ? "hops-late" : "dim"}>{t(total > MINUTE_MS ? "hopsOver" : "hopsTotal", { span: short(total) })}</span>
      }
    >
      <div class="hops" aria-hidden="true">
        <div class="hops-bar">
          {hops.map(({ hop, took, running }) => (
            <span key={hop} class={`hop hop-${hop}${running ? " hop-running" : ""}`} style={{ width: `${(took / whole) * 100}%` }} />
          ))}
        </div>
        <span class="hops-mark" style={{ left: `${(MINUTE_MS / whole) * 100}%` }}>
          <span class="mono">{t("seconds", { n: 60 })}</span>
        </span>
      </div>
      <ul class="hops-legend">
        {hops.map((it) => (
          <li key={it.hop} data-hop={it.hop} data-running={it.running} class={it === slowest ? "hop-slowest" : ""}>
            <span class={`hop-dot hop-${it.hop}`} aria-hidden="true" />
            {t(`hop_${it.hop}`)} <b class="mono">{short(it.took)}</b>
            {it.running && "…"}
          </li>
        ))}
      </ul>
    </Section>
  );
}
