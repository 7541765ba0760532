/** uPlot in the page's colours: lines with their min–max bands, marks across them, zoom by dragging. Knows no request. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { serverNow } from "../clock";
import { clock, moment, number } from "../format";
import { language, t } from "../i18n";
import type { Point } from "../series";
import { theme } from "../theme";

export interface Line {
  label: string;
  points: readonly Point[];
}

export interface Mark {
  at: number;
  label: string;
}

interface Props {
  lines: readonly Line[];
  unit: string;
  from: number;
  to: number;
  marks?: readonly Mark[];
  /** Charts with the same key show the same moment under the pointer. */
  sync?: string;
  height?: number;
  onZoom?: (from: number, to: number) => void;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const lineColour = (i: number): string => css(`--line-${i % 6}`);

/** x, then mean, min, max of each line; missing samples of one line do not break another. */
function table(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(({ points }): uPlot.AlignedData => [
    points.map(({ at }) => at / 1000),
    points.map(({ mean }) => mean),
    points.map(({ min }) => min),
    points.map(({ max }) => max),
  ]);
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}

/** Without a pointer the legend tells the newest. */
function lastOf(plot: uPlot, series: number): number | null {
  return (plot.data[series] as (number | null | undefined)[] | undefined)?.findLast((it) => it != null) ?? null;
}

const momentOf = (seconds: number | null): string => (seconds === null ? "–" : moment(seconds * 1000, serverNow()));

/** Moments on the axis: the day where it changes, seconds only where they matter. */
function moments(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] {
  let day = "";
  return splits.map((s) => {
    const at = new Date(s * 1000);
    const today = `${at.getMonth() + 1}-${at.getDate()}`;
    const time = step >= 60 ? clock(s * 1000).slice(0, 5) : clock(s * 1000);
    const text = step >= 86_400 ? today : day !== "" && day !== today ? `${today}\n${time}` : time;
    day = today;
    return text;
  });
}

function drawMarks(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.fillStyle = ctx.strokeStyle = css("--mark");
  ctx.lineWidth = scale;
  ctx.setLineDash([4 * scale, 3 * scale]);
  ctx.textBaseline = "alphabetic";
  let before = -Infinity;
  let row = 0;
  for (const { at, label } of [...marks].sort((a, b) => a.at - b.at)) {
    const x = Math.round(plot.valToPos(at / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    // Steps that follow each other within seconds would be written over each other.
    row = x - before < 64 * scale ? row + 1 : 0;
    before = x;
    const fits = x + ctx.measureText(label).width + 8 * scale < bbox.left + bbox.width;
    ctx.textAlign = fits ? "left" : "right";
    ctx.fillText(label, x + (fits ? 4 : -4) * scale, bbox.top + (12 + row * 13) * scale);
  }
  ctx.restore();
}

function options(props: Props, width: number, current: { props: Props }): uPlot.Options {
  const axis = { stroke: css("--dim"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1 } };
  const show = (plot: uPlot, value: number | null, index: number): string => {
    const it = plot.cursor.idx == null ? lastOf(plot, index) : value;
    return it == null ? "–" : `${number(it)} ${props.unit}`.trim();
  };
  const series: uPlot.Series[] = [
    { label: t("time"), value: (plot, s) => (s == null ? momentOf(lastOf(plot, 0)) : momentOf(s)) },
  ];
  const bands: uPlot.Band[] = [];
  props.lines.forEach(({ label, points }, i) => {
    const stepped = points.some(({ min }) => min !== null);
    const edge = { stroke: "transparent", points: { show: false }, show: true, value: show };
    series.push({ label, stroke: lineColour(i), width: 2, value: show, points: { show: false } });
    series.push({ ...edge, label: "min" }, { ...edge, label: "max" });
    if (stepped) bands.push({ series: [3 * i + 3, 3 * i + 2], fill: `${lineColour(i)}33` });
  });
  return {
    width,
    height: props.height ?? 220,
    series,
    bands,
    cursor: {
      drag: { x: props.onZoom !== undefined, y: false, setScale: false },
      ...(props.sync ? { sync: { key: props.sync } } : {}),
    },
    legend: { live: true },
    scales: { x: { time: true, range: () => [current.props.from / 1000, current.props.to / 1000] } },
    axes: [
      { ...axis, values: moments, space: 72 },
      { ...axis, size: 56, values: (_plot, splits) => splits.map(number) },
    ],
    hooks: {
      draw: [(plot) => drawMarks(plot, current.props.marks ?? [])],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 4) return;
          const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + wide, "x")];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          current.props.onZoom?.(from * 1000, to * 1000);
        },
      ],
    },
  };
}

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const current = useRef({ props }).current;
  current.props = props;
  const shape = props.lines.map(({ label, points }) => label + points.some(({ min }) => min !== null)).join("|");

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const it = new uPlot(options(props, element.clientWidth, current), table(props.lines), element);
    plot.current = it;
    const resized = new ResizeObserver(() => it.setSize({ width: element.clientWidth, height: props.height ?? 220 }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      it.destroy();
      plot.current = null;
    };
  }, [shape, props.unit, theme.value, language.value]);

  useEffect(() => plot.current?.setData(table(props.lines)), [props.lines, props.from, props.to, props.marks]);

  const stepped = props.lines.some(({ points }) => points.some(({ min }) => min !== null));
  return (
    <div
      ref={place}
      class={`chart${stepped && props.lines.length === 1 ? " chart-stepped" : ""}`}
      data-testid="chart"
      data-points={props.lines.reduce((n, { points }) => n + points.length, 0)}
    />
  );
}
