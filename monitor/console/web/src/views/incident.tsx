/** One incident whole: its card, what to do, the readings around it, and its story. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Incident, IncidentDetail } from "../answers";
import { incidentReportHref, readIncident } from "../api";
import { pick, t } from "../i18n";
import { deviceName } from "../known";
import { learnNames } from "../people";
import { deviceHref } from "../router";
import { epoch, incidents, live, newest, picture, rules } from "../store";
import { useDoing } from "./actions";
import { ReadingsAround } from "./around";
import { WhoWasCalled } from "./called";
import { IncidentCard } from "./card";
import { Hops } from "./hops";
import { ErrorNote, Loading, Section } from "./parts";
import { Timeline } from "./timeline";

function Advice({ incident }: { incident: Incident }) {
  // What to do about a prealarm is no longer the question once it burns; the rule that gave the title speaks first.
  const known = incident.rules
    .flatMap((id) => rules.value.get(id) ?? [])
    .filter((rule) => rule.kind === incident.kind)
    .sort((a, b) => Number(b.title.en === incident.title.en) - Number(a.title.en === incident.title.en));
  const texts = new Set(known.flatMap((rule) => (rule.advice ? [pick(rule.advice)] : [])));
  if (texts.size === 0) return null;
  return (
    <Section title={t("advice")}>
      <ul class="advice">
        {[...texts].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </Section>
  );
}

function AddNote({ incident, then }: { incident: Incident; then: () => void }) {
  const doing = useDoing(incident);
  const note = useSignal("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (note.value.trim() === "") return;
    if (await doing.run("notes", note.value.trim())) note.value = "";
    then();
  };
  return (
    <form class="add-note" onSubmit={(event) => void submit(event)}>
      <input
        aria-label={t("noteNeeded")}
        placeholder={t("noteNeeded")}
        maxLength={2000}
        data-testid="note"
        value={note.value}
        onInput={(event) => (note.value = event.currentTarget.value)}
      />
      <button
        type="submit"
        class="secondary"
        data-testid="note-submit"
        disabled={doing.busy.value !== null || !live.value || note.value.trim() === ""}
      >
        {doing.busy.value ? t("sending") : t("doNote")}
      </button>
      <ErrorNote error={doing.error.value} />
    </form>
  );
}

function Involved({ incident }: { incident: Incident }) {
  if (incident.devices.length === 0) return null;
  return (
    <Section title={t("involved")}>
      <ul class="involved">
        {incident.devices.map((key) => (
          <li key={key}>
            <a href={deviceHref(key)}>
              {deviceName(key)} <span class="dim mono">{key}</span>
            </a>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const membersOf = (id: string): readonly Incident[] =>
  picture.value.scenes.find((scene) => scene.incident.id === id)?.members ?? [];

export function IncidentView({ id }: { id: string }) {
  const detail = useSignal<IncidentDetail | null>(null);
  const error = useSignal<unknown>(null);
  const read = async (): Promise<void> => {
    try {
      const found = await readIncident(id);
      learnNames(found.pushes);
      // Two questions may overtake each other; the one that knows more wins.
      if (found.position >= (detail.peek()?.position ?? 0)) detail.value = found;
      error.value = null;
    } catch (failure) {
      error.value = failure;
    }
  };
  const mine = newest.value?.incident === id ? newest.value.id : 0;
  const revision = incidents.value.find((it) => it.id === id)?.revision ?? 0;
  useEffect(() => void read(), [id, mine, epoch.value, revision]);

  const it = detail.value;
  if (it === null) return error.value === null ? <Loading /> : <ErrorNote error={error.value} retry={() => void read()} />;
  // The board may already know more than the last whole reading.
  const board = incidents.value.find((other) => other.id === id);
  const incident = board && board.revision > it.incident.revision ? board : it.incident;
  return (
    <div class="incident">
      <div class="incident-head">
        <a class="back" href="#/">
          ‹ {t("board")}
        </a>
        <a class="print-report" href={incidentReportHref(id)} target="_blank" rel="noreferrer" data-testid="print-report">
          {t("printReport")}
        </a>
      </div>
      <ErrorNote error={error.value} retry={() => void read()} />
      <IncidentCard incident={incident} members={membersOf(id)} full />
      <div class="incident-columns">
        <div>
          <Advice incident={incident} />
          <Hops incident={incident} timeline={it.timeline} />
          <ReadingsAround incident={incident} />
        </div>
        <div>
          <WhoWasCalled detail={it} incident={incident} />
          <Timeline entries={it.timeline} pushes={it.pushes} />
          {incident.state !== "closed" && <AddNote incident={incident} then={() => void read()} />}
          <Involved incident={incident} />
          <p class="dim mono">
            {t("incidentNo")} {incident.id} · {incident.zone}
          </p>
        </div>
      </div>
    </div>
  );
}
