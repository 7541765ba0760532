/** A reporter's photo, and how to reach them: asked for one by one, so that it stands on no list. */
import { useSignal } from "@preact/signals";
import type { Attached } from "../attachments";
import { photoHref, readContact } from "../api";
import { t } from "../i18n";
import { ErrorNote } from "./parts";

function Contact({ report }: { report: string }) {
  const contact = useSignal<string | null>(null);
  const error = useSignal<unknown>(null);
  const ask = async (): Promise<void> => {
    try {
      contact.value = (await readContact(report)).contact;
      error.value = null;
    } catch (failure) {
      error.value = failure;
    }
  };
  if (contact.value !== null) {
    return (
      <p>
        {t("contact")} <b class="mono">{contact.value}</b>
      </p>
    );
  }
  return (
    <>
      <button type="button" class="quiet" data-testid="contact" onClick={() => void ask()}>
        {t("showContact")}
      </button>
      <ErrorNote error={error.value} />
    </>
  );
}

export function Attachments({ it }: { it: Attached }) {
  return (
    <>
      {it.photo && (
        <a class="photo" href={photoHref(it.photo)} target="_blank" rel="noreferrer">
          <img src={photoHref(it.photo)} alt={t("reportPhoto")} loading="lazy" data-testid="photo" />
        </a>
      )}
      {it.contact && <Contact report={it.contact} />}
    </>
  );
}
