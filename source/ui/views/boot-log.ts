/** The kernel log after a reboot, line by line, with what the lines that matter say. */
import { glyph } from '../glyphs.ts';
import { blank, type Row, row, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';

/** What to say below a line; the first that fits. */
const explanations: readonly (readonly [RegExp, string])[] = [
  [/DMAR: IOMMU enabled/, 'intel_iommu=on was found on the command line'],
  [/DMAR: IOMMU disabled/, 'intel_iommu=off was found: DMA will not be looked at'],
  [/DMAR: Unknown option/, 'a word after intel_iommu= that the kernel does not know; it is ignored'],
  [/DRHD base/, 'one remapping unit, for every PCI device (INCLUDE_PCI_ALL)'],
  [/RMRR base/, 'memory that the firmware uses through a device; it stays mapped one to one'],
  [/Default domain type: Passthrough/, 'host devices get identity domains: looked up, not translated'],
  [/Default domain type: Translated/, 'host devices get page tables of their own, empty at first'],
  [/policy: lazy/, 'unmapped pages may stay cached for up to 10 ms'],
  [/policy: strict/, 'each unmap waits until the IOTLB has forgotten the page'],
  [/Using Queued invalidation/, 'invalidations go to the unit through a queue in memory'],
  [/Enabled IRQ remapping/, 'interrupts are remapped; VFIO asks for that'],
  [/Directed I\/O/, 'translation is on: GCMD.TE is set'],
  [/Disable supported super page/, 'tables will have 4 KiB pages only'],
];

/** Linux says these even if no device will ever have such a domain. */
const decidesNothing = /Default domain type|invalidation policy/;

export function explanationOf(line: string, translation: boolean): string | null {
  if (!translation && decidesNothing.test(line))
    return 'said in any case; with translation off it decides nothing';
  return explanations.find(([pattern]) => pattern.test(line))?.[1] ?? null;
}

/** The lines of the boot itself: what a running kernel adds later has nothing to do with it. */
export const bootLines = (dmesg: readonly string[]): readonly string[] =>
  dmesg.filter((line) => {
    const stamp = /^\[\s*(\d+\.\d+)\]/.exec(line);
    return stamp === null || Number(stamp[1]) < 2.4;
  });

export function bootLog({ snapshot, selection }: Scene, { width, height }: Area): Row[] {
  const lines = bootLines(snapshot.dmesg).slice(0, selection.log?.lines ?? 0);
  const rows: Row[] = [];
  for (const [i, line] of lines.entries()) {
    const stamp = /^\[\s*[\d.]+\]/.exec(line)?.[0] ?? '';
    const text = line.slice(stamp.length).trim();
    const isLast = i === lines.length - 1;
    const indent = stamp.length + 3;
    for (const [part, piece] of wrap(text, width - indent - 1).entries()) {
      const head = part === 0 ? span(stamp, 'label') : span(' '.repeat(stamp.length));
      rows.push(row(part === 0 && isLast ? glyph.selected : ' ', head, ' ', span(piece)));
    }
    const said = explanationOf(line, snapshot.unit.translation);
    for (const piece of said === null ? [] : wrap(said, width - indent - 1)) {
      rows.push(row(' '.repeat(indent), span(piece, 'key')));
    }
  }
  return [blank, ...rows.slice(-(height - 1))];
}
