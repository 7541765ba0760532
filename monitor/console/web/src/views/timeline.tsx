/** What happened and who did it, in plain words; how each push fared only for whoever asks. */
import { useSignal } from "@preact/signals";
import type { Entry, Push } from "../answers";
import { channelName } from "../channels";
import { serverNow } from "../clock";
import { moment } from "../format";
import { language, t } from "../i18n";
import { deviceName } from "../known";
import { condense, isDelivery, type Line } from "../story";
import { Attachments } from "./attachments";
import { Section } from "./parts";

function Row({ entry, line }: { entry: Entry; line: Line }) {
  return (
    <li class={`entry entry-${line.tone}${line.delivery ? " entry-delivery" : ""}`} data-step={entry.step}>
      <time class="mono" dateTime={entry.at}>
        {moment(Date.parse(entry.at), serverNow())}
      </time>
      <div>
        <p>
          {line.by && <b class="by">{line.by}</b>} {line.text}
          {line.people.length > 0 && `${language.value === "zh" ? "：" : ": "}${line.people.join(language.value === "zh" ? "；" : "; ")}`}
        </p>
        {(line.subjects.length > 0 || line.readings) && (
          <p class="dim">
            {line.subjects.map(deviceName).join(language.value === "zh" ? "、" : ", ")} {line.readings}
          </p>
        )}
        {line.note && <p class="entry-note">{line.note}</p>}
        <Attachments it={line.attached} />
      </div>
    </li>
  );
}

export function Timeline({ entries, pushes }: { entries: readonly Entry[]; pushes: readonly Push[] }) {
  const details = useSignal(false);
  const deliveries = entries.filter(isDelivery);
  const shown = details.value ? entries : entries.filter((entry) => !isDelivery(entry));
  const waiting = pushes.filter((push) => push.next_at !== null && push.outcome === "retry");
  return (
    <Section
      title={t("timeline")}
      aside={
        deliveries.length > 0 && (
          <button
            type="button"
            class="quiet"
            aria-expanded={details.value}
            data-testid="deliveries"
            onClick={() => (details.value = !details.value)}
          >
            {details.value ? t("hideDeliveries") : t("showDeliveries", { n: deliveries.length })}
          </button>
        )
      }
    >
      <ol class="timeline" data-testid="timeline">
        {condense(shown).map(([entry, line]) => (
          <Row key={entry.id} entry={entry} line={line} />
        ))}
      </ol>
      {details.value &&
        waiting.map((push) => (
          <p key={push.key} class="dim mono">
            {channelName(push.channel)} · {push.step} ·{" "}
            {t("nextTry", { at: moment(Date.parse(push.next_at ?? push.at), serverNow()) })}
          </p>
        ))}
    </Section>
  );
}
