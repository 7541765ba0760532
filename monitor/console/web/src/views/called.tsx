/** Who was called, how far each call came, and who has taken it: one line for each person or station. */
import { useSignal } from "@preact/signals";
import type { Incident, IncidentDetail } from "../answers";
import { whoWasCalled, type Called, type Way } from "../called";
import { channelName } from "../channels";
import { second } from "../clock";
import { countdown, moment } from "../format";
import { language, pick, t } from "../i18n";
import { answered } from "../order";
import { WORDS, type Key } from "../words";
import { Icon, Section } from "./parts";

const SHOWN = 8;

const now = (): number => second.value * 1000;

function OneWay({ way }: { way: Way }) {
  return (
    <li class={`way way-${way.reach}`} data-reach={way.reach}>
      <b>{channelName(way.channel)}</b> {t(`called_${way.reach}`)}
      {way.at !== null && <time class="mono"> {moment(way.at, now())}</time>}
      {way.times > 1 && <span class="dim"> {t("calledTimes", { n: way.times })}</span>}
    </li>
  );
}

function Row({ who }: { who: Called }) {
  const role = `role_${who.role}`;
  return (
    <li class="called" data-testid="called" data-who={who.key}>
      <p class="called-who">
        <b>{who.name ? pick(who.name) : t("ownTrouble")}</b>{" "}
        <span class="dim">
          {who.role === "" ? t("roleStation") : role in WORDS ? t(role as Key) : who.role}
          {who.role !== "" && who.station && ` · ${pick(who.station)}`}
        </span>
      </p>
      <ul class="ways">
        {who.ways.map((way) => (
          <OneWay key={way.channel} way={way} />
        ))}
      </ul>
      {who.acknowledged !== null && (
        <p class="called-taken">
          <Icon name="fine" /> {t("acknowledged")} <time class="mono">{moment(who.acknowledged, now())}</time>
        </p>
      )}
    </li>
  );
}

/** Has anybody taken it, and if not, when is who called next? */
function Standing({ incident, next }: { incident: Incident; next: IncidentDetail["next_call"] }) {
  if (answered(incident)) {
    return incident.acknowledged_by ? (
      <p class="standing standing-taken" data-testid="standing">
        <Icon name="fine" /> {t("hasTaken", { by: incident.acknowledged_by })}
      </p>
    ) : null;
  }
  const left = next ? Date.parse(next.at) - now() : 0;
  return (
    <p class="standing standing-open" data-testid="standing">
      <Icon name="bell" /> {t("nobodyTaken")}
      {next && left > 0 && (
        <span class="mono" role="timer">
          {t("nextCall", {
            left: countdown(left, "up"),
            targets: next.targets.map((it) => t(`target_${it}`)).join(language.value === "zh" ? "、" : ", "),
          })}
        </span>
      )}
    </p>
  );
}

export function WhoWasCalled({ detail, incident }: { detail: IncidentDetail; incident: Incident }) {
  const all = useSignal(false);
  const called = whoWasCalled(detail.pushes, detail.timeline);
  if (called.length === 0) return null;
  const shown = all.value ? called : called.slice(0, SHOWN);
  return (
    <Section
      title={t("whoCalled")}
      testid="who-called"
      aside={
        incident.handed_over_at && (
          <span class="chip chip-handed">
            {t("handedOver")} <time class="mono">{moment(Date.parse(incident.handed_over_at), now())}</time>
          </span>
        )
      }
    >
      {incident.state !== "closed" && <Standing incident={incident} next={detail.next_call} />}
      <ul class="called-list">
        {shown.map((who) => (
          <Row key={who.key} who={who} />
        ))}
      </ul>
      {called.length > shown.length && (
        <button type="button" class="quiet" onClick={() => (all.value = true)}>
          {t("calledMore", { n: called.length - shown.length })}
        </button>
      )}
    </Section>
  );
}
