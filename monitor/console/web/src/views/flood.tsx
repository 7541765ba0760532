/** What goes under an incident's dispatches in a flood: one line that says how much, a list for whoever asks. */
import { useSignal, type Signal } from "@preact/signals";
import { KINDS, type Incident } from "../answers";
import { pick, t } from "../i18n";
import { incidentHref } from "../router";
import { placeName } from "../known";
import { Icon } from "./parts";

const SHOWN = 50;

interface Folded {
  members: readonly Incident[];
  open: Signal<boolean>;
  /** The list's id in the document. */
  list: string;
}

function Member({ incident }: { incident: Incident }) {
  return (
    <li>
      <a class="member" href={incidentHref(incident.id)} data-testid="member" data-incident={incident.id}>
        <span class={`kind kind-${incident.kind}`}>
          <Icon name={incident.kind} />
          <span class="unseen">{t(incident.kind)}</span>
        </span>
        <b>{placeName(incident)}</b>
        <span class="member-title">{pick(incident.title)}</span>
        {/* Until somebody acts on it alone, its state is that of the one that speaks for it. */}
        {incident.state !== "raised" && <span class="chip">{t(incident.state)}</span>}
      </a>
    </li>
  );
}

/** How much goes under it, on top of what to do; the list stands below, so that no button moves away. */
export function FloodLine({ members, open, list }: Folded) {
  if (members.length === 0) return null;
  return (
    <button
      type="button"
      class="flood"
      data-testid="flood-toggle"
      aria-expanded={open.value}
      aria-controls={list}
      onClick={() => (open.value = !open.value)}
    >
      <span class="flood-arrow" aria-hidden="true">
        {open.value ? "▾" : "▸"}
      </span>
      <b>{t("floodMore", { n: members.length })}</b>
      {/* Somebody who smokes is not to be taken for one more fire. */}
      {KINDS.map((kind) => [kind, members.filter((incident) => incident.kind === kind).length] as const)
        .filter(([, n]) => n > 0)
        .map(([kind, n]) => (
          <span key={kind} class={`kind kind-${kind}`}>
            <Icon name={kind} /> {t(kind)} {n}
          </span>
        ))}
      <span class="flood-hint">{t("floodTogether")}</span>
    </button>
  );
}

export function FloodList({ members, open, list }: Folded) {
  const all = useSignal(false);
  if (!open.value || members.length === 0) return null;
  const shown = all.value ? members : members.slice(0, SHOWN);
  return (
    <div class="flood-list" id={list}>
      <ul class="members">
        {shown.map((incident) => (
          <Member key={incident.id} incident={incident} />
        ))}
      </ul>
      {members.length > shown.length && (
        <button type="button" class="quiet" data-testid="flood-all" onClick={() => (all.value = true)}>
          {t("floodAll", { n: members.length })}
        </button>
      )}
    </div>
  );
}
