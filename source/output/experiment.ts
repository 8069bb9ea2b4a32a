/** The result of an experiment as text, CSV and SVG. JSON is the result itself. */
import type { Point, Result, Series } from '../experiments/experiment.ts';
import { rounded } from '../experiments/experiment.ts';

const COLUMNS = 56;
const ROWS = 12;

/** A table and a chart for each series, with what was measured, by whom, and what passes. */
export function experimentText(result: Result): string {
  const { id, title, kind, source, setup, preset, parameters, note, series, checks, pass } = result;
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
    kind === 'gate'
      ? `${id} ${pass ? 'passes' : 'FAILS'}`
      : `${id} is a demonstration${pass ? '' : '; a check FAILS'}`,
  ];
  return `${lines.join('\n')}\n`;
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

/** Where points lie between 0 and 1; x by its logarithm where it spans more than a decade. */
function placed(points: readonly Point[]): { at(x: number): number; top: number } {
  const xs = points.map(({ x }) => x);
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  const scale = least > 0 && most / least > 10 ? Math.log : (x: number) => x;
  const span = scale(most) - scale(least) || 1;
  const top =
    Math.max(...points.flatMap(({ published, simulated }) => [published ?? 0, simulated])) * 1.05 || 1;
  return { at: (x) => (scale(x) - scale(least)) / span, top };
}

/** The simulated points as *, the published ones as o, both in one place as @. */
function chart(points: readonly Point[]): string[] {
  const { at, top } = placed(points);
  const cells = Array.from({ length: ROWS }, () => new Array<string>(COLUMNS).fill(' '));
  const put = (x: number, y: number, mark: string): void => {
    const row = ROWS - 1 - Math.round((y / top) * (ROWS - 1));
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
const PANEL = 260;
const MARGIN = { left: 64, right: 24, top: 40, bottom: 48 };

/** A chart with one panel for each series: simulated as a line, published as rings with their tolerance. */
export function experimentSvg({ id, title, source, series }: Result): string {
  const head = 64;
  const height = head + series.length * PANEL;
  const panels = series.map((one, i) => `<g transform="translate(0 ${head + i * PANEL})">${panel(one)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="26" font-size="16">${escaped(`${id} ${title}`)}</text>
<text x="16" y="48" fill="#555555">${escaped(source)}</text>
${panels.join('\n')}
</svg>
`;
}

function panel({ name, unit, points }: Series): string {
  const { at, top } = placed(points);
  const px = (x: number) => (MARGIN.left + at(x) * (WIDTH - MARGIN.left - MARGIN.right)).toFixed(1);
  const py = (y: number) =>
    (PANEL - MARGIN.bottom - (y / top) * (PANEL - MARGIN.top - MARGIN.bottom)).toFixed(1);
  const line = points.map(({ x, simulated }) => `${px(x)},${py(simulated)}`).join(' ');
  const rings = points.flatMap(({ x, published, tolerance }) =>
    published === null
      ? []
      : [
          `<line x1="${px(x)}" x2="${px(x)}" y1="${py(published * (1 - (tolerance ?? 0)))}" y2="${py(published * (1 + (tolerance ?? 0)))}" stroke="#d55e00"/>`,
          `<circle cx="${px(x)}" cy="${py(published)}" r="4" fill="none" stroke="#d55e00"/>`,
        ],
  );
  const dots = points.map(
    ({ x, simulated }) => `<circle cx="${px(x)}" cy="${py(simulated)}" r="2.5" fill="#0072b2"/>`,
  );
  const [first, last] = [points[0], points[points.length - 1]];
  const label = (x: number, y: number, anchor: string, text: string) =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}</text>`;
  return [
    label(MARGIN.left, 24, 'start', `${name}, ${unit} (line: simulated; rings: published)`),
    `<path d="M${MARGIN.left} ${MARGIN.top}V${PANEL - MARGIN.bottom}H${WIDTH - MARGIN.right}" fill="none" stroke="#888888"/>`,
    label(MARGIN.left - 6, MARGIN.top + 4, 'end', rounded(top)),
    label(MARGIN.left - 6, PANEL - MARGIN.bottom, 'end', '0'),
    label(MARGIN.left, PANEL - MARGIN.bottom + 18, 'start', xText(first.x, first.xUnit)),
    label(WIDTH - MARGIN.right, PANEL - MARGIN.bottom + 18, 'end', xText(last.x, last.xUnit)),
    `<polyline points="${line}" fill="none" stroke="#0072b2" stroke-width="1.5"/>`,
    ...dots,
    ...rings,
  ].join('');
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
