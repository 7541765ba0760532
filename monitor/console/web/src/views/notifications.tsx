/** Notifications on this device, where the site has a channel for them. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { pick, t } from "../i18n";
import { Hindered, look, offer, owner, subscribed, turnOff, turnOn } from "../notifications";
import { live, stations } from "../store";
import { ErrorNote, Icon, Section } from "./parts";

export function Notifications() {
  const whose = useSignal(owner.peek());
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    busy.value = true;
    error.value = null;
    try {
      await work();
    } catch (failure) {
      error.value = failure;
    }
    busy.value = false;
  };
  useEffect(() => void attempt(look), []);
  const offered = offer.value;
  if (offered === null) return null;
  const names = new Map([...stations.value.values()].flatMap((it) => it.people).map((person) => [person.key, pick(person.name)]));
  const problem = error.value;
  return (
    <Section title={t("pushHere")} testid="push-here">
      <p class="dim">{t("pushAbout")}</p>
      {subscribed.value ? (
        <div class="row">
          <b class="push-on" data-testid="push-on">
            <Icon name="fine" /> {t("pushOn", { who: owner.value === "" ? t("pushNobody") : (names.get(owner.value) ?? owner.value) })}
          </b>
          <button type="button" class="secondary" disabled={busy.value || !live.value} onClick={() => void attempt(turnOff)}>
            {t("pushStop")}
          </button>
        </div>
      ) : (
        <div class="row">
          <label>
            {t("pushWhose")}{" "}
            <select data-testid="push-whose" value={whose.value} onChange={(event) => (whose.value = event.currentTarget.value)}>
              <option value="">{t("pushNobody")}</option>
              {offered.people.map((key) => (
                <option key={key} value={key}>
                  {names.get(key) ?? key}
                </option>
              ))}
            </select>
          </label>
          <button
            type="button"
            class="primary"
            data-testid="push-start"
            disabled={busy.value || !live.value}
            onClick={() => void attempt(() => turnOn(whose.value, offered.public_key))}
          >
            {busy.value ? t("sending") : t("pushStart")}
          </button>
        </div>
      )}
      {problem instanceof Hindered ? (
        <p class="error" role="alert" data-testid="error">
          {t(`push_${problem.why}`)}
        </p>
      ) : (
        <ErrorNote error={problem} />
      )}
    </Section>
  );
}
