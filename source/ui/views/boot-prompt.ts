/** The kernel command line as a prompt over the lower half of Overview, with what it would do, live. */
import type { DeviceState } from '../../simulation/snapshot.ts';
import { badge, domainWord, laneToken } from '../fate.ts';
import { glyph } from '../glyphs.ts';
import { inputSpans } from '../parts/notice.ts';
import { blank, cell, cut, ends, fitRows, type Row, row, span, widthOf, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';

/** Lines that show what the command line can do; what is written already is left out. */
export const suggestions = [
  'intel_iommu=on',
  'intel_iommu=off',
  'intel_iommu=on iommu=pt',
  'intel_iommu=on iommu.strict=1',
  'intel_iommu=on,sp_off',
];

export function bootPrompt(scene: Scene, width: number, height: number): Row[] {
  const { prompt } = scene.selection;
  if (prompt === null) return [];
  const isSecond = prompt.kind === 'compare';
  const keys = isSecond ? 'enter compares, esc closes ' : 'enter reboots, esc keeps ';
  const title = ends(
    row(span(isSecond ? ' Boot line of a second machine' : ' Boot line', 'title')),
    row(span(prompt.error === null ? keys : `${prompt.error} `, prompt.error === null ? 'label' : 'blocked')),
    width,
  );
  const before = '   linux ro ';
  const input = row(span(before, 'label'), ...inputSpans(prompt, width - before.length - 2));
  const preview = scene.tools.previewBoot(prompt.line.text, scene.snapshot.machine);
  const words = wordRows(preview.words, width);
  const after = previewRows(scene, preview, isSecond, width);
  const open = prompt.open.length > 0 ? prompt.open.join('  ') : null;
  const offered = tryRow(prompt.line.text, open, width);
  // With little room the explanations of the first words give way: the word being written is the last.
  const room = Math.max(1, height - after.length - 3);
  const hidden = words.length - room;
  const above = row('   ', span(`${glyph.cut} ${hidden + 1} rows above`, 'label'));
  const shownWords = hidden > 0 && room > 3 ? [above, ...words.slice(hidden + 1)] : words.slice(-room);
  const gap = height >= shownWords.length + after.length + 7 ? [blank] : [];
  const rows = [title, ...gap, input, ...gap, ...shownWords, ...gap, ...after, ...gap, offered];
  return fitRows(rows, height);
}

function wordRows(words: ReturnType<Scene['tools']['previewBoot']>['words'], width: number): Row[] {
  const longest = Math.min(24, Math.max(12, ...words.map(({ text }) => text.length)) + 2);
  return words.flatMap(({ text, known, effect, suggestion, overriddenBy }) => {
    const meant = suggestion === null ? '' : ` Did you mean ${suggestion}?`;
    const wins = overriddenBy === null ? '' : `; ${overriddenBy} comes later and wins`;
    const sentence = known ? effect + wins : `${effect}.${meant}`;
    return wrap(sentence, width - longest - 5).map((line, i) =>
      row('   ', ...wordCell(i === 0 ? text : '', known, longest), span(line, known ? 'label' : 'text')),
    );
  });
}

/** A word that Linux does not know is underlined, as in a text with a slip of the pen. */
function wordCell(text: string, known: boolean, width: number): Row {
  const shown = span(cut(text, width - 1), known ? 'text' : 'blocked', { underline: !known });
  return [shown, span(' '.repeat(width - widthOf(shown.text)))];
}

type Preview = ReturnType<Scene['tools']['previewBoot']>;

/** Devices that share their fate before and after, in one row. */
function previewRows({ snapshot }: Scene, preview: Preview, isSecond: boolean, width: number): Row[] {
  type Group = { names: string[]; before: DeviceState | undefined; after: Preview['devices'][number] };
  const groups: Group[] = [];
  for (const after of preview.devices) {
    const before = snapshot.devices.find(({ name }) => name === after.name);
    const same = groups.find(
      (group) =>
        group.after.lane === after.lane &&
        group.after.domain === after.domain &&
        group.after.why === after.why &&
        group.before?.attachedDomain === before?.attachedDomain,
    );
    if (same === undefined) groups.push({ names: [after.name], before, after });
    else same.names.push(after.name);
  }
  const names = Math.max(10, ...groups.map((group) => group.names.join(' ').length)) + 2;
  const label = isSecond ? 'there   ' : width >= 96 ? 'after reboot   ' : 'reboot   ';
  const summary = row('   ', span(label, 'label'), span(cut(preview.summary, width - label.length - 4)));
  return [
    ...(width >= 60 ? [summary] : []),
    ...groups.map(({ names: list, before, after }) =>
      row(
        '   ',
        cell(list.join(' '), names),
        ...(before === undefined ? [] : fate(before.lane, before.attachedDomain)),
        span(` ${glyph.leads} `, 'label'),
        ...fate(after.lane, after.domain),
        span(` ${after.why}`, 'label'),
      ),
    ),
  ];
}

const fate = (lane: DeviceState['lane'], domain: DeviceState['attachedDomain']): Row => [
  cell(badge(lane), 4, laneToken(lane), { bold: true }),
  cell(domainWord(domain), 8),
];

function tryRow(text: string, open: string | null, width: number): Row {
  if (open !== null) return row('   ', span('tab   ', 'label'), span(open, 'key'));
  const others = suggestions.filter((line) => line !== text.trim());
  let shown = '';
  for (const line of others) {
    if (shown.length + line.length + 12 > width) break;
    shown += `${shown === '' ? '' : '   '}${line}`;
  }
  return row('   ', span('try   ', 'label'), span(shown));
}
