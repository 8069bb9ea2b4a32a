/** View 1: who goes where, right now. */
import { barRows, charts } from '../parts/charts.ts';
import { deviceDetails } from '../parts/device-details.ts';
import { deviceTable, speedLine } from '../parts/device-table.ts';
import { eventList, shownEvents } from '../parts/event-list.ts';
import { blank, type Row, row, span } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import { chosenDevice, isBootLine, shownDevices } from '../selection.ts';
import { bootPrompt } from './boot-prompt.ts';
import { stepped, type View } from './view.ts';

const smallestWithCharts = 14;

function draw(scene: Scene, area: Area): Row[] {
  const { snapshot, selection, device } = scene;
  const devices = shownDevices(snapshot, selection);
  const isBooting = selection.prompt !== null && isBootLine(selection.prompt);
  // Charts, a line of events and the blanks between them come first; a long list of devices scrolls.
  // Below that, as under the caption of a demo, devices and events say more than charts.
  const charted = area.height >= smallestWithCharts;
  const others = isBooting ? 12 : charted ? barRows(area) + 6 : 4;
  const tableRows = Math.max(2, Math.min(devices.length + 1, area.height - others));
  const table =
    devices.length === 0
      ? [row(span(' No device has done anything yet.', 'label'))]
      : deviceTable(snapshot, devices, device, area.width, tableRows);
  if (isBooting) {
    return [blank, ...table, blank, ...bootPrompt(scene, area.width, area.height - table.length - 2)];
  }
  const speed = charted ? speedLine(snapshot, device, area.width) : null;
  const rest = charted ? [...(speed === null ? [] : [speed]), blank, ...charts(scene, area)] : [];
  const upper = [blank, ...table, ...rest];
  const gap = area.height - upper.length >= 4 ? [blank] : [];
  const left = area.height - upper.length - gap.length;
  return [...upper, ...gap, ...eventList(scene, area.width, left)];
}

export const overview: View = {
  name: 'overview',
  title: 'Overview',
  short: 'Over',
  rail: false,
  hint: true,
  words: { vertical: 'device', enter: 'DMA' },
  draw,
  inspect: deviceDetails,
  move({ snapshot, selection }, direction, by) {
    if (by > 1) return scrolled({ snapshot, selection }, direction === 'up' ? -by : by);
    const devices = shownDevices(snapshot, selection);
    const chosen = chosenDevice(snapshot, selection);
    const at = chosen === null ? 0 : Math.max(0, devices.indexOf(chosen));
    return { device: devices[stepped(at, direction, 1, devices.length)]?.name ?? null };
  },
  end: () => ({ event: null }),
  enter: () => ({ do: 'deeper', view: 'dma', change: {} }),
};

/** Pages scroll the events; at their end they follow again. */
function scrolled(scene: Pick<Scene, 'snapshot' | 'selection'>, by: number) {
  const events = shownEvents(scene);
  const from = scene.selection.event;
  const at = from === null ? events.length - 1 : events.findLastIndex(({ id }) => id <= from);
  const to = Math.max(0, at + by);
  return { event: to >= events.length - 1 ? null : (events[to]?.id ?? null) };
}
