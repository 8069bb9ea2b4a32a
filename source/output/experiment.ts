/** The result of an experiment as text, CSV and SVG. JSON is the result itself. */
import type { Point, Result, Series } from '../experiments/experiment.ts';
import { rounded } from '../experiments/experiment.ts';

const COLUMNS = 56;
const ROWS = 12;

/** A table and a chart for each series, with what was measured, by whom, and what passes. */
export function experimentText(result: Result): string {
  const { id, title, source, setup, preset, parameters, note, series, checks } = result;
  const set = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const lines = [
    `${id}  ${title}`,
    '',
    `measured     ${setup}`,
    `by           ${source}`,
    `preset       ${preset}${set.length === 0 ? '' : `: ${set.join(' ')}`}`,
    ...(note === null ? [] : [`note         ${note}`]),
    ...series.flatMap((one) => ['', ...seriesText(one)]),
    ...(checks.length === 0 ? [] : ['']),
    ...checks.map(
      (check) => `${check.pass ? 'pass' : 'FAIL'}  ${check.name}: ${check.found}; expected ${check.expected}`,
    ),
    '',
    verdict(result),
  ];
  return `${lines.join('\n')}\n`;
}

function verdict({ id, kind, series, checks, pass }: Result): string {
  if (kind === 'demonstration') return `${id} is a demonstration${pass ? '' : '; a check FAILS'}`;
  const isJudged =
    checks.length > 0 || series.some(({ points }) => points.some((point) => point.pass !== null));
  if (!isJudged) return `${id}: nothing is published for these points`;
  return `${id} ${pass ? 'passes' : 'FAILS'}`;
}

function seriesText({ name, unit, points }: Series): string[] {
  const header = `${name}, ${unit}`;
  const rows = points.map(({ x, xUnit, published, simulated, tolerance, pass }) => {
    const off = published === null ? '' : percent(simulated / published - 1);
    const judged =
      pass === null ? '' : `${pass ? 'pass' : 'FAIL'} (±${rounded(100 * (tolerance as number))} %)`;
    return [xText(x, xUnit), published === null ? '' : rounded(published), rounded(simulated), off, judged];
  });
  const table = [['', 'published', 'simulated', '', ''], ...rows].map(
    ([x, published, simulated, off, judged]) =>
      `${x.padStart(10)}${published.padStart(12)}${simulated.padStart(12)}${off.padStart(10)}  ${judged}`.trimEnd(),
  );
  return [header, ...(points.length > 2 ? chart(points) : []), ...table];
}

const percent = (share: number): string => `${share < 0 ? '' : '+'}${(100 * share).toFixed(1)} %`;

/** x as people write it: windows in binary steps, packets in bytes, rates in thousands and millions a second. */
export function xText(x: number, unit: string): string {
  if (unit === '1/s') return x < 1e3 ? `${rounded(x)}/s` : x < 1e6 ? `${x / 1e3} k/s` : `${x / 1e6} M/s`;
  if (unit !== 'B') return unit === '' ? `${x}` : `${rounded(x)} ${unit}`;
  if (x % 1024 !== 0 && x < 65_536) return `${rounded(x)} B`;
  const steps = ['B', 'KiB', 'MiB', 'GiB'];
  let step = 0;
  for (let value = x; value >= 1024 && step < 3; value /= 1024) step++;
  return `${rounded(x / 1024 ** step)} ${steps[step]}`;
}

/** Where points lie between 0 and 1, x by its logarithm where it spans more than a decade; and a round top for y. */
function placed(points: readonly Point[]): { at(x: number): number; top: number } {
  const xs = points.map(({ x }) => x);
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  const scale = least > 0 && most / least > 10 ? Math.log : (x: number) => x;
  const span = scale(most) - scale(least);
  const highest = points.flatMap(({ published, simulated, tolerance }) => [
    (published ?? 0) * (1 + (tolerance ?? 0)),
    simulated,
  ]);
  // A point alone stands in the middle.
  return {
    at: (x) => (span === 0 ? 0.5 : (scale(x) - scale(least)) / span),
    top: roundUp(Math.max(...highest)),
  };
}

const ROUND = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10];

/** The next number that people draw axes to; 1 for nothing. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return Number(((ROUND.find((round) => round * power >= value) ?? 10) * power).toPrecision(3));
}

/** The simulated points as *, the published ones as o, both in one place as @. */
function chart(points: readonly Point[]): string[] {
  const { at, top } = placed(points);
  const cells = Array.from({ length: ROWS }, () => new Array<string>(COLUMNS).fill(' '));
  const put = (x: number, y: number, mark: string): void => {
    // A hair up, so that two figures that are all but one do not part at the border of two rows.
    const row = Math.max(0, ROWS - 1 - Math.round((y / top) * (ROWS - 1) + 0.02));
    const column = Math.round(at(x) * (COLUMNS - 1));
    cells[row][column] = cells[row][column] === ' ' || cells[row][column] === mark ? mark : '@';
  };
  for (const { x, published } of points) if (published !== null) put(x, published, 'o');
  for (const { x, simulated } of points) put(x, simulated, '*');
  const rows = cells.map((row, i) => {
    const label = i === 0 ? rounded(top) : i === ROWS - 1 ? '0' : '';
    return `${label.padStart(10)} |${row.join('').trimEnd()}`;
  });
  const [first, last] = [points[0], points[points.length - 1]];
  const [from, to] = [first, last].map(({ x, xUnit }) => xText(x, xUnit));
  return [
    ...rows,
    `${''.padStart(10)} +${'-'.repeat(COLUMNS)}`,
    `${''.padStart(12)}${from}${to.padStart(COLUMNS - from.length)}`,
    `${''.padStart(12)}* simulated   o published   @ both`,
  ];
}

/** One line for each point. */
export function experimentCsv({ id, series }: Result): string {
  const rows = series.flatMap(({ name, unit, points }) =>
    points.map(({ x, xUnit, published, simulated, tolerance, pass }) => [
      ...[id, name, unit, x, xUnit, published ?? '', simulated, tolerance ?? '', pass ?? ''],
    ]),
  );
  const header = [
    'experiment',
    'series',
    'unit',
    'x',
    'xUnit',
    'published',
    'simulated',
    'tolerance',
    'pass',
  ];
  return `${[header, ...rows].map((row) => row.map(csvCell).join(',')).join('\n')}\n`;
}

const csvCell = (value: string | number | boolean): string =>
  /[",\n]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`;

const WIDTH = 720;
const PANEL = 276;
const MARGIN = { left: 64, right: 40, top: 40, bottom: 56 };

/** A chart with one panel for each series: simulated as a line, published as rings with their tolerance. */
export function experimentSvg(result: Result): string {
  const { id, title, source, series } = result;
  const sources = wrapped(source, 90);
  const head = 56 + 16 * sources.length;
  const height = head + series.length * PANEL;
  const panels = series.map(
    (one, i) => `<g transform="translate(0 ${head + i * PANEL})">${panel(one, result)}</g>`,
  );
  const lines = sources.map((line, i) => text(16, 48 + 16 * i, 'start', line, QUIET));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12" fill="${INK}">
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="26" font-size="16">${escaped(`${id} ${title}`)}</text>
${lines.join('\n')}
${panels.join('\n')}
</svg>
`;
}

/** On white, whatever is behind the picture. */
const INK = '#1a1a1a';
const QUIET = '#555555';
const GRID = '#dddddd';
const SIMULATED = '#0072b2';
const PUBLISHED = '#d55e00';
/** Room that a label below the axis takes, in pixels. */
const X_LABEL = 64;

function panel({ name, unit, points }: Series, { xName }: Pick<Result, 'xName'>): string {
  const { at, top } = placed(points);
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const px = (x: number) => Number((left + at(x) * (right - left)).toFixed(1));
  const py = (y: number) =>
    Number((PANEL - MARGIN.bottom - (y / top) * (PANEL - MARGIN.top - MARGIN.bottom)).toFixed(1));
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${left}" x2="${right}" y1="${py(share * top)}" y2="${py(share * top)}" stroke="${GRID}"/>`,
  );
  const line = points.map(({ x, simulated }) => `${px(x)},${py(simulated)}`).join(' ');
  const rings = points.flatMap(({ x, published, tolerance }) =>
    published === null
      ? []
      : [
          `<line x1="${px(x)}" x2="${px(x)}" y1="${py(published * (1 - (tolerance ?? 0)))}" y2="${py(published * (1 + (tolerance ?? 0)))}" stroke="${PUBLISHED}"/>`,
          `<circle cx="${px(x)}" cy="${py(published)}" r="4" fill="none" stroke="${PUBLISHED}"/>`,
        ],
  );
  const dots = points.map(
    ({ x, simulated }) => `<circle cx="${px(x)}" cy="${py(simulated)}" r="2.5" fill="${SIMULATED}"/>`,
  );
  const below = PANEL - MARGIN.bottom + 18;
  return [
    text(left, 24, 'start', unit === '' ? name : `${name}, ${unit}`),
    text(right - 92, 24, 'end', '● simulated', SIMULATED),
    ...(rings.length === 0 ? [] : [text(right, 24, 'end', '○ published', PUBLISHED)]),
    ...grid,
    `<path d="M${left} ${MARGIN.top}V${PANEL - MARGIN.bottom}H${right}" fill="none" stroke="#888888"/>`,
    ...[0, 0.5, 1].map((share) => text(left - 6, py(share * top) + 4, 'end', rounded(share * top))),
    ...labelled(points, px).map(({ x, xUnit }) => text(px(x), below, 'middle', xText(x, xUnit))),
    text((left + right) / 2, below + 18, 'middle', xName, QUIET),
    `<polyline points="${line}" fill="none" stroke="${SIMULATED}" stroke-width="1.5"/>`,
    ...dots,
    ...rings,
  ].join('');
}

/** The points that there is room to name: the last one, and those far enough before the next. */
function labelled(points: readonly Point[], px: (x: number) => number): readonly Point[] {
  const named: Point[] = [];
  for (const point of points.toReversed()) {
    const next = named.at(-1);
    if (next === undefined || px(next.x) - px(point.x) >= X_LABEL) named.push(point);
  }
  return named;
}

const text = (x: number, y: number, anchor: string, words: string, fill?: string): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${fill === undefined ? '' : ` fill="${fill}"`}>${escaped(words)}</text>`;

/** Words in lines of at most so many characters. */
function wrapped(words: string, most: number): string[] {
  const lines = [''];
  for (const word of words.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trimStart();
    if (longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
