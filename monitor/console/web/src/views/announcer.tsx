/** Says new alarms to screen readers, on every view: a fire at once, anything else when they have finished their sentence. */
import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Incident } from "../answers";
import { language, pick, t } from "../i18n";
import { newsOf } from "../news";
import { loaded, picture } from "../store";
import { placeName } from "../known";

function words(incident: Incident): string {
  const [comma, colon] = language.peek() === "zh" ? ["，", "："] : [", ", ": "];
  const drill = incident.exercise === "" ? "" : `${t("drill")}${comma}`;
  return `${drill}${t(incident.kind)}${colon}${placeName(incident)}${comma}${pick(incident.title)}`;
}

export function Announcer() {
  const fires = useSignal("");
  const others = useSignal("");
  useEffect(() => {
    let calls: ReadonlySet<string> | null = null;
    return effect(() => {
      if (!loaded.value) return;
      const { scenes, drills } = picture.value;
      const news = newsOf(calls, [...scenes.map((scene) => scene.incident), ...drills]);
      calls = news.calls;
      const burning = news.fresh.filter((incident) => incident.kind === "FIRE" && incident.exercise === "");
      const rest = news.fresh.filter((incident) => !burning.includes(incident));
      if (burning.length > 0) fires.value = burning.map(words).join(" ");
      if (rest.length > 0) others.value = rest.map(words).join(" ");
    });
  }, []);
  return (
    <div class="unseen">
      <p aria-live="assertive" data-testid="announce-fire">
        {fires.value}
      </p>
      <p aria-live="polite" data-testid="announce">
        {others.value}
      </p>
    </div>
  );
}
