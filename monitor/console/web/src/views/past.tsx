/** What is over: closed incidents, newest first, page by page. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Incident } from "../answers";
import { readIncidents } from "../api";
import { serverNow } from "../clock";
import { moment, span } from "../format";
import { language, pick, t } from "../i18n";
import { lookOf } from "../picture";
import { incidentHref } from "../router";
import { epoch, newest } from "../store";
import { placeName } from "../known";
import { ErrorNote, KindBadge, Loading } from "./parts";

const PAGE = 100;

function Row({ incident }: { incident: Incident }) {
  const raised = Date.parse(incident.raised_at);
  const lasted = incident.closed_at === null ? 0 : Date.parse(incident.closed_at) - raised;
  return (
    <li>
      <a class="past" href={incidentHref(incident.id)} data-testid="past-incident" data-incident={incident.id}>
        <KindBadge kind={incident.kind} look={lookOf(incident)} />
        <span class="past-what">
          <b>{placeName(incident)}</b> {pick(incident.title)}
        </span>
        <span class={`chip chip-was-${incident.disposition}`}>
          {incident.disposition ? t(`disposition_${incident.disposition}`) : ""}
        </span>
        <span class="past-when mono">
          {moment(raised, serverNow())} <span class="dim">{t("took", { span: span(lasted, language.value) })}</span>
        </span>
      </a>
    </li>
  );
}

export function PastView() {
  const items = useSignal<Incident[] | null>(null);
  const next = useSignal<string | null>(null);
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const read = async (before: string | null): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    try {
      const page = await readIncidents(before, PAGE);
      const closed = page.items.filter((incident) => incident.state === "closed");
      items.value = before === null ? closed : [...(items.value ?? []), ...closed];
      next.value = page.next;
      error.value = null;
    } catch (failure) {
      error.value = failure;
    }
    busy.value = false;
  };
  const closing = newest.value?.step === "closed" ? newest.value.id : 0;
  useEffect(() => void read(null), [epoch.value, closing]);
  return (
    <div class="past-view">
      <h1>{t("pastTitle")}</h1>
      <ErrorNote error={error.value} retry={() => void read(null)} />
      {items.value === null ? (
        error.value === null && <Loading />
      ) : (
        <>
          <ul class="past-list">
            {items.value.map((incident) => (
              <Row key={incident.id} incident={incident} />
            ))}
          </ul>
          {items.value.length === 0 && next.value === null && <p class="dim">{t("noPast")}</p>}
          {next.value !== null ? (
            <button
              type="button"
              class="secondary"
              data-testid="older"
              disabled={busy.value}
              onClick={() => void read(next.value)}
            >
              {busy.value ? t("loading") : t("older")}
            </button>
          ) : (
            items.value.length > 0 && <p class="dim">{t("noMorePast")}</p>
          )}
        </>
      )}
    </div>
  );
}
