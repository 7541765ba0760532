/** What must be seen before anything else: the connection is lost, the sound is off or on, the system itself is in trouble. */
import { language, pick, t, troubleName } from "../i18n";
import { inBoth } from "../languages";
import { clock, countdown, moment } from "../format";
import { second, serverNow } from "../clock";
import { alarm, audible, enableSound, mute, muted, mutedUntil, unmute } from "../sound";
import { link, troubles } from "../store";
import { Icon } from "./parts";

function LostBar() {
  if (link.value.state !== "lost") return null;
  return (
    <div class="bar bar-lost" role="alert" data-testid="connection-lost">
      <Icon name="blind" />
      <span>
        <strong>{t("lost")}</strong> <span lang="en">{t("lostOther")}</span>{" "}
        <span class="mono">({t("lostSince", { at: clock(link.value.since) })})</span>
      </span>
    </div>
  );
}

function SoundBar() {
  if (!audible.value) {
    return (
      <button class="bar bar-sound" type="button" data-testid="enable-sound" onClick={() => void enableSound()}>
        <Icon name="bell" />
        {t("soundOff")}
      </button>
    );
  }
  if (muted.value) {
    const left = countdown(mutedUntil.value - second.value * 1000, "up");
    return (
      <div class="bar bar-muted" data-testid="muted">
        <Icon name="mute" />
        <span role="timer">{t("mutedFor", { left })}</span>
        <button type="button" data-testid="unmute" onClick={unmute}>
          {t("unmute")}
        </button>
      </div>
    );
  }
  // Always there, so that nothing moves under the hand when it begins to sound.
  if (alarm.value === "none") {
    return (
      <div class="bar bar-idle">
        <Icon name="bell" />
        <span>{t("soundOn")}</span>
      </div>
    );
  }
  return (
    <div class={`bar bar-ringing bar-${alarm.value}`} role="status">
      <Icon name="bell" />
      <span>{t("ringing")}</span>
      <button type="button" data-testid="mute" onClick={mute}>
        {t("mute")}
      </button>
    </div>
  );
}

export function TroubleBar() {
  const items = troubles.value;
  if (items.length === 0) return null;
  return (
    <div class="bar bar-trouble" role="status">
      <Icon name="FAULT" />
      <div>
        <strong>{t("troubles")}</strong>
        <ul>
          {items.map(({ source, detail, since }) => (
            <li key={source} data-testid="trouble" data-source={source}>
              <b>{troubleName(source)}</b>
              {language.value === "zh" ? "：" : ": "}
              {pick(inBoth(detail))} <span class="dim">{t("troubleSince", { at: moment(Date.parse(since), serverNow()) })}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

export function Bars() {
  return (
    <div class="bars">
      <LostBar />
      <SoundBar />
    </div>
  );
}
