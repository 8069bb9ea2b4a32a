/** The whole screen as rows: pure, and exactly as many as the window has. */
import type { DemoState } from '../simulation/snapshot.ts';
import { caption, captionHeight } from './parts/caption.ts';
import { footer } from './parts/footer.ts';
import { header, tabs } from './parts/header.ts';
import { help } from './parts/help.ts';
import { measuredRows } from './parts/measured.ts';
import { noticeRows } from './parts/notice.ts';
import { rail } from './parts/rail.ts';
import { asciiRow, beside, blank, fitRow, fitRows, type Row, span } from './rows.ts';
import type { Scene } from './scene.ts';
import { areaOf } from './screen.ts';
import { isBootLine } from './selection.ts';
import { bootLog } from './views/boot-log.ts';
import { viewNamed } from './views/index.ts';
import { kernelFile } from './views/kernel-file.ts';
import { small } from './views/small.ts';

/** A blank row and a hint of up to two. */
const hintRows = 3;

/** With fewer rows a view under which a table stands says too little. */
const smallestStage = 10;

/** Between the view and the inspector. */
const gutter = '  ';

export function drawFrame(scene: Scene): Row[] {
  const { screen, selection } = scene;
  const rows =
    screen.tier === 'small' ? small(scene) : [header(scene), tabs(scene), ...body(scene), footer(scene)];
  const drawn = fitRows(rows, screen.rows).map((each) => fitRow(each, screen.width));
  return selection.ascii ? drawn.map(asciiRow) : drawn;
}

function body(scene: Scene): Row[] {
  const { screen, selection } = scene;
  const { width, body: height } = screen;
  if (selection.log?.started === true) return fitRows(bootLog(scene, areaOf(screen, width, height)), height);
  if (selection.file?.started === true) {
    return fitRows(kernelFile(scene, areaOf(screen, width, height)), height);
  }
  if (selection.help !== null) return fitRows([blank, ...help(scene, width, height - 1)], height);

  const view = viewNamed(selection.view);
  const isBooting = selection.prompt !== null && isBootLine(selection.prompt);
  const { demo } = scene.snapshot;
  if (demo != null && !isBooting) {
    return [...stage(scene, demo, height - captionHeight(screen.tier)), ...caption(scene, demo, width)];
  }
  const notice = isBooting ? [] : noticeRows(scene, width, screen.notice, view.hint);
  // Where the hint always stands three rows are kept for it; what came of an action may take one more.
  const kept = isBooting ? 0 : Math.max(view.hint ? hintRows : 0, notice.length);
  const upper = height - kept;
  const padding: Row[] = Array(Math.max(0, kept - notice.length)).fill(blank);
  return [...panels(scene, upper), ...padding, ...notice];
}

/** What a scene of a demo shows: what it measured, and the view, or only the first where there is no room for both. */
function stage(scene: Scene, demo: DemoState, height: number): Row[] {
  const { screen } = scene;
  if (demo.measured.length === 0) return panels(scene, height);
  const table = (rows: number) => measuredRows(demo.measured, areaOf(screen, screen.width, rows));
  const spaced = table(height);
  const below = height - spaced.length < 2 * smallestStage ? table(0) : spaced;
  const rest = height - below.length;
  return rest < smallestStage ? fitRows(spaced, height) : [...panels(scene, rest), ...below];
}

/** Rail, view and inspector, as far as the size has room for them. */
function panels(scene: Scene, height: number): Row[] {
  const { screen, selection } = scene;
  const view = viewNamed(selection.view);
  const railWidth = view.rail ? screen.rail : 0;
  const inspectorWidth = view.inspect === undefined ? 0 : screen.inspector;
  const width = screen.width - railWidth - inspectorWidth;
  const areas = [{ rows: view.draw(scene, areaOf(screen, width, height)), width }];
  if (railWidth > 0) areas.unshift({ rows: rail(scene, railWidth), width: railWidth });
  if (inspectorWidth > 0) {
    const area = areaOf(screen, inspectorWidth - gutter.length - 1, height);
    const rows = view.inspect?.(scene, area) ?? [];
    areas.push({ rows: rows.map((each) => [span(gutter), ...each]), width: inspectorWidth });
  }
  return beside(areas, height);
}
