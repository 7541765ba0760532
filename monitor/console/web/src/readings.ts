/** Reading a series: raw where that is short, otherwise by steps; and all of it as CSV. Knows no chart. */
import { ask, readBuckets, readRaw, readingsQuery, type Span } from "./api";
import { RAW_LIMIT, RAW_MS, stepFor, stepText, withGaps, type Series } from "./series";

export async function readSeries(span: Span, signal: AbortSignal): Promise<Series> {
  if (span.to - span.from <= RAW_MS) {
    const raw = await readRaw(span, RAW_LIMIT, signal);
    if (raw.next === null) {
      const points = raw.points.map(({ at, value }) => ({ at: Date.parse(at), mean: value, min: null, max: null }));
      return { points: withGaps(points, null), step: null, samples: points.length };
    }
  }
  const step = stepFor(span.to - span.from);
  const { buckets } = await readBuckets(span, stepText(step), signal);
  const points = buckets.map(({ at, mean, min, max }) => ({ at: Date.parse(at), mean, min, max }));
  const samples = buckets.reduce((sum, bucket) => sum + bucket.samples, 0);
  return { points: withGaps(points, step), step, samples };
}

/** So many raw readings are still fetched page by page; more come as steps. */
const CSV_RAW = 200_000;

/** The step of the CSV in seconds, or null when raw values will do. */
export function csvStep(span: Pick<Span, "from" | "to">, samples: number): number | null {
  return samples <= CSV_RAW ? null : stepFor(span.to - span.from, 9000);
}

/** The path, below the API's, of the page that a Link header (RFC 8288) calls the next. */
export function nextPath(link: string | null): string | undefined {
  return /<[^>]*?(\/readings\?[^>]*)>\s*;\s*rel="next"/.exec(link ?? "")?.[1];
}

/** The whole span as one CSV; `progress` hears of the rows so far. */
export async function readCsv(
  span: Span,
  step: number | null,
  progress: (rows: number) => void,
): Promise<{ text: string; rows: number }> {
  const more = step === null ? { limit: "10000" } : { step: stepText(step) };
  let path: string | undefined = readingsQuery(span, { ...more, format: "csv" });
  let text = "";
  let rows = 0;
  while (path !== undefined) {
    const answer: Response = await ask(path);
    const page = await answer.text();
    // Every page has the header line; only the first is kept.
    text += text === "" ? page : page.slice(page.indexOf("\n") + 1);
    rows += page.split("\n").length - 2;
    progress(rows);
    path = nextPath(answer.headers.get("Link"));
  }
  return { text, rows };
}
