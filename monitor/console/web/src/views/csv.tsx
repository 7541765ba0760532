/** A series as a file: all of it, raw where that is bearable, and it says which. */
import { useSignal } from "@preact/signals";
import type { Span } from "../api";
import { span as spanText } from "../format";
import { language, t } from "../i18n";
import { csvStep, readCsv } from "../readings";
import { ErrorNote } from "./parts";

function save(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function CsvButton({ span, samples }: { span: Span; samples: number }) {
  const rows = useSignal<number | null>(null);
  const done = useSignal<number | null>(null);
  const error = useSignal<unknown>(null);
  const step = csvStep(span, samples);
  const download = async (): Promise<void> => {
    if (rows.value !== null) return;
    rows.value = 0;
    done.value = error.value = null;
    try {
      const file = await readCsv(span, step, (n) => (rows.value = n));
      save(file.text, `${span.device}-${span.quantity}.csv`.replace(/[^\w.-]+/g, "-"));
      done.value = file.rows;
    } catch (failure) {
      error.value = failure;
    }
    rows.value = null;
  };
  return (
    <span class="csv">
      <button type="button" class="quiet" data-testid="csv" disabled={rows.value !== null} onClick={() => void download()}>
        {rows.value !== null
          ? t("csvProgress", { n: rows.value })
          : step === null
            ? t("csvRaw")
            : t("csvStep", { step: spanText(step * 1000, language.value) })}
      </button>
      {done.value !== null && <span class="dim">{t("csvRows", { n: done.value })}</span>}
      <ErrorNote error={error.value} />
    </span>
  );
}
