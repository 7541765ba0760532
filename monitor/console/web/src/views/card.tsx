/** One incident, so that it is understood in two seconds: what, where, how long, what next. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Incident } from "../answers";
import { second } from "../clock";
import { age, moment } from "../format";
import { language, pick, t } from "../i18n";
import { deviceName, placeName } from "../known";
import { lookOf, type Look } from "../picture";
import { incidentHref, deviceHref } from "../router";
import { stationName } from "../people";
import { Actions } from "./actions";
import { FloodLine, FloodList } from "./flood";
import { Icon, KindBadge } from "./parts";
import { Countdown, Segments } from "./promise";
import { measureWords } from "./withheld";

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

/** What it is not must be said before what it is: nobody may run for a drill, nor wait for a page that is withheld. */
function Banner({ incident, look }: { incident: Incident; look: Look }) {
  if (look === "drill") {
    return (
      <p class="banner banner-drill" data-testid="drill">
        {t("drill")} <span lang={language.value === "zh" ? "en" : "zh-CN"}>{t("drillOther")}</span>
        <small>{incident.exercise === "test" ? t("inTest") : t("drillNote", { name: measureWords(incident.exercise) })}</small>
      </p>
    );
  }
  if (look === "withheld") {
    return (
      <p class="banner banner-held">
        {t("notPaged")} <small>{measureWords(incident.withheld)}</small>
      </p>
    );
  }
  return null;
}

interface Shown {
  incident: Incident;
  /** In a flood: what goes under it. */
  members?: readonly Incident[];
  full?: boolean;
}

export function IncidentCard({ incident, members = [], full = false }: Shown) {
  const Title = full ? "h1" : "h2";
  const look = lookOf(incident);
  const flood = { members, open: useSignal(false), list: useId() };
  return (
    <article
      class={`card card-${look === "real" ? incident.kind : look} card-at-${incident.state}`}
      data-look={look}
      data-testid="incident-card"
      data-incident={incident.id}
      data-kind={incident.kind}
      data-state={incident.state}
      data-condition={incident.condition}
    >
      <div class="card-marks">
        <Banner incident={incident} look={look} />
        <KindBadge kind={incident.kind} look={look} />
        {incident.suspected && <span class="chip chip-suspected">{t("suspected")}</span>}
        <span class={`chip chip-${incident.condition}`}>{t(incident.condition)}</span>
        {incident.lead && (
          <a class="chip chip-lead" href={incidentHref(incident.lead)}>
            {t("underLead", { lead: incident.lead })}
          </a>
        )}
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
        <FloodLine {...flood} />
        <Actions incident={incident} all={full} />
        {!full && (
          <a class="details" href={incidentHref(incident.id)}>
            {t("details")} ›
          </a>
        )}
        <FloodList {...flood} />
      </div>
    </article>
  );
}
