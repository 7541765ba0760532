/** One incident, so that it is understood in two seconds: what, where, how long, what next. */
import type { Incident } from "../answers";
import { second } from "../clock";
import { age, moment } from "../format";
import { language, pick, t } from "../i18n";
import { deviceName } from "../known";
import { incidentHref, deviceHref } from "../router";
import { stationName } from "../people";
import { Actions } from "./actions";
import { Icon, KindBadge } from "./parts";
import { Countdown, Segments } from "./promise";

export const placeName = (incident: Incident): string =>
  incident.zone_name ? pick(incident.zone_name) : incident.zone === "system" ? t("ownTrouble") : incident.zone;

function Facts({ incident }: { incident: Incident }) {
  const now = second.value * 1000;
  const raised = Date.parse(incident.raised_at);
  return (
    <dl class="facts">
      <div>
        <dt>{t("since")}</dt>
        <dd>
          <time class="mono" dateTime={incident.raised_at}>
            {moment(raised, now)}
          </time>{" "}
          <span class="dim">{age(now - raised, language.value)}</span>
        </dd>
      </div>
      <div>
        <dt>{t("station")}</dt>
        <dd>{incident.station ? stationName(incident.station) : t("noStation")}</dd>
      </div>
      {incident.acknowledged_by && (
        <div>
          <dt>{t("takenBy")}</dt>
          <dd class="taken-by">{incident.acknowledged_by}</dd>
        </div>
      )}
      {incident.last_device && (
        <div>
          <dt>{t("lastDevice")}</dt>
          <dd>
            <a href={deviceHref(incident.last_device)}>{deviceName(incident.last_device)}</a>{" "}
            <span class="dim">{incident.alarms > 1 ? t("alarmsCount", { n: incident.alarms }) : ""}</span>
          </dd>
        </div>
      )}
    </dl>
  );
}

export function IncidentCard({ incident, full = false }: { incident: Incident; full?: boolean }) {
  const Title = full ? "h1" : "h2";
  return (
    <article
      class={`card card-${incident.kind} card-at-${incident.state}`}
      data-testid="incident-card"
      data-incident={incident.id}
      data-kind={incident.kind}
      data-state={incident.state}
      data-condition={incident.condition}
    >
      <div class="card-marks">
        <KindBadge kind={incident.kind} />
        {incident.suspected && <span class="chip chip-suspected">{t("suspected")}</span>}
        <span class={`chip chip-${incident.condition}`}>{t(incident.condition)}</span>
        {incident.handed_over_at && <span class="chip chip-handed">{t("handedOver")}</span>}
        <span class={`chip chip-state chip-state-${incident.state}`}>{t(incident.state)}</span>
      </div>
      <div class="card-what">
        <p class="card-place">
          <Icon name="place" />
          {placeName(incident)}
        </p>
        <Title class="card-title">
          {full ? pick(incident.title) : <a href={incidentHref(incident.id)}>{pick(incident.title)}</a>}
        </Title>
        <Facts incident={incident} />
      </div>
      <Countdown incident={incident} />
      <Segments incident={incident} />
      <div class="card-foot">
        <Actions incident={incident} all={full} />
        {!full && (
          <a class="details" href={incidentHref(incident.id)}>
            {t("details")} ›
          </a>
        )}
      </div>
    </article>
  );
}
