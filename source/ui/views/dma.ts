/** View 3: why this transaction ended so: the walk step by step, each memory read, its cost and a sentence. */
import type { Transaction } from '../../simulation/snapshot.ts';
import { bitField, fieldLine } from '../bit-field.ts';
import type { Explained } from '../explain-step.ts';
import { bytes, frame, iova, reasonCode, time } from '../format.ts';
import { addressBits } from '../parts/address-bits.ts';
import { explainAll, stepLines, stepTable } from '../parts/step-table.ts';
import { transactionList } from '../parts/transaction-list.ts';
import { blank, ends, fitRows, labelled, type Row, row, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';
import type { Token } from '../theme/tokens.ts';
import { stepped, type View } from './view.ts';

/** Below so many rows not everything fits beside a walk: under the caption of a demo, for one. */
const lowHeight = 18;

/** The chosen transaction, or the newest. */
export function chosenTransaction({ snapshot, selection, device }: Scene): Transaction | null {
  const { transaction, kept } = selection;
  if (kept !== null && kept.id === transaction) return kept;
  if (transaction !== null) return snapshot.transactions.find(({ id }) => id === transaction) ?? null;
  const own = snapshot.transactions.filter((each) => each.device === device?.name);
  const sent = own.find(({ address }) => address === selection.sought?.address);
  // The way of memory requests is what most come to see; interrupts are in the list.
  return sent ?? own.find(({ interrupt }) => interrupt === undefined) ?? own[0] ?? null;
}

const chosenStep = ({ selection }: Scene, { steps }: Transaction): number =>
  Math.min(steps.length, Math.max(0, selection.step ?? steps.length));

function draw(scene: Scene, area: Area): Row[] {
  const transaction = chosenTransaction(scene);
  if (transaction === null) return empty(scene, area);
  const width = Math.min(area.width, 120);
  const at = chosenStep(scene, transaction);
  // The steps come first: a list has the rows that a whole walk leaves.
  const listed = Math.min(12, area.height - 28);
  const list = listed >= 3 ? [blank, ...transactionList(scene, transaction, width, listed - 1)] : [];
  const head = [blank, title(scene, transaction, at, width), blank];
  const bits = addressBits(transaction, at, width, area.roomy);
  const { drawing, why } = stepDetails(transaction, at, width, area.roomy);
  const left = area.height - list.length - head.length - 1;
  // In a few rows the whole way says more than the parts of its address, and than one entry of it.
  const isLow = area.height < lowHeight;
  const whole = isLow ? stepLines(transaction, at) + 1 : 0;
  const fits = (parts: readonly Row[]) => left - parts.length >= whole;
  const shown = [
    { bits, drawing, why },
    { bits: [], drawing, why },
    { bits: [], drawing: [], why },
  ].find((each) => fits([...each.bits, ...each.drawing, ...each.why])) ?? { bits: [], drawing: [], why: [] };
  const tail = [...shown.drawing, ...shown.why];
  const table = stepTable(transaction, at, width, Math.max(3, left - shown.bits.length - tail.length));
  return fitRows([...list, ...head, ...shown.bits, ...table, blank, ...tail], area.height);
}

function title({ snapshot, selection }: Scene, transaction: Transaction, at: number, width: number): Row {
  const { device, bdf, type, address, bytes: size, timeNs, steps, id } = transaction;
  const verb = type === null ? 'asks for' : type === 'read' ? 'reads' : 'writes';
  const { interrupt } = transaction;
  // Four bytes to where interrupts are: what they are matters, not how many.
  const what =
    interrupt !== undefined && size === 4 ? `${interrupt.data} to ` : size === 0 ? '' : `${bytes(size)} at `;
  const left = row(
    span(` ${device}`, 'title'),
    span(device.includes(bdf) ? '' : ` ${bdf}`, 'label'),
    ` ${verb} ${what}`,
    span(iova(address), 'text', { bold: true }),
    span(width < 72 ? '' : `   ${time(timeNs)}`, 'label'),
  );
  const place = snapshot.transactions.findIndex((each) => each.id === id);
  const which = place >= 0 ? `${place + 1} of ${snapshot.transactions.length}` : 'kept';
  const step = steps.length === 0 ? '' : `step ${at + 1} of ${steps.length + 1}`;
  const count = selection.transaction === null ? 'newest' : which;
  return ends(left, row(span(width < 96 ? `${step} ` : `request ${count}   ${step} `, 'label')), width);
}

/** The entry of the step, drawn, and why it went on. */
function stepDetails(transaction: Transaction, at: number, width: number, roomy: boolean) {
  const all = explainAll(transaction);
  // At the end the entry that decided is what matters: the one that refused, the page, or the word pass-through.
  const decided = transaction.outcome === 'hit' ? -1 : all.findLastIndex(({ layout }) => layout !== null);
  const drawn = at === transaction.steps.length && decided >= 0 ? decided : at;
  const words = all[drawn].words ?? transaction.steps[drawn]?.words ?? [];
  const indent = (rows: readonly Row[]): Row[] => rows.map((each) => [span(' '), ...each]);
  return {
    drawing: indent(drawEntry(all[drawn], words, width - 4, roomy)),
    why: indent(labelled('why', all[at].why, 6, Math.min(width - 2, 108))),
  };
}

function drawEntry(step: Explained, words: readonly number[], width: number, roomy: boolean): Row[] {
  const { layout, label, culprit } = step;
  if (layout === null) return [];
  if (!roomy) return fieldLine(layout, words, width, culprit);
  const name = row(span(label, 'title'), span(`  ${layout.name}, ${layout.source}`, 'label'));
  return [name, ...bitField(layout, words, width, culprit).map((each) => row(' ', ...each)), blank];
}

function empty({ snapshot, selection, device }: Scene, { width }: Area): Row[] {
  const name = device?.name ?? 'the device';
  const lines =
    selection.transaction !== null
      ? ['This request is no longer kept.', 'Only the newest requests of a device are. end shows the newest.']
      : snapshot.source === 'trace'
        ? [
            `No request of ${name} yet.`,
            'The recording has not come to one, or it holds none for this device.',
          ]
        : snapshot.state === 'paused'
          ? [
              `No request of ${name} yet.`,
              'The machine is paused. . lets one request happen, space runs it, x sends a stray one.',
            ]
          : [`No request of ${name} yet.`, 'w starts its workload, x sends a stray request.'];
  return [
    blank,
    row('   ', span(lines[0], 'title')),
    blank,
    ...wrap(lines[1], Math.min(90, width - 6)).map((line) => row('   ', line)),
  ];
}

/** What a request wanted, as far as the source knows. */
function askedFor({ type, bytes: size, address, interrupt }: Transaction): string {
  if (interrupt !== undefined) return `interrupt: data ${interrupt.data} to ${iova(address)}`;
  return [type ?? '', size === 0 ? '' : `of ${bytes(size)}`, `at ${iova(address)}`]
    .filter((word) => word !== '')
    .join(' ');
}

function inspect(scene: Scene, area: Area): Row[] {
  const transaction = chosenTransaction(scene);
  if (transaction === null) return [];
  const rows: Row[] = [blank, row(span(' Request', 'title')), blank];
  const line = (label: string, text: string, token: Token = 'text') =>
    rows.push(...labelled(label, text, 14, area.width - 2, token).map((each) => [span(' '), ...each]));
  line('device', `${transaction.device} ${transaction.bdf}`);
  line('asked for', askedFor(transaction));
  const { interrupt } = transaction;
  const outcome = interrupt?.delivery ?? transaction.outcome;
  line('outcome', outcome, transaction.outcome === 'blocked' ? 'blocked' : 'text');
  if (interrupt !== undefined && interrupt.index !== null) line('table entry', interrupt.index);
  if (interrupt !== undefined && interrupt.vector !== null)
    line('processor', `${interrupt.processor}, vector ${interrupt.vector}`);
  if (transaction.output !== null) line('landed at', frame(transaction.output));
  if (transaction.landed !== null)
    line('that is', transaction.landed, transaction.corrupted ? 'corrupt' : 'text');
  if (transaction.fault !== 0) line('fault', reasonCode(transaction.fault), 'blocked');
  const at = chosenStep(scene, transaction);
  const step = transaction.steps[at];
  if (step !== undefined) {
    rows.push(blank, row(span(` Step ${at + 1}: ${step.stage}`, 'title')), blank);
    line('rule', step.clause);
    line('reads so far', String(step.reads));
  }
  return rows;
}

export const dma: View = {
  name: 'dma',
  title: 'DMA',
  short: 'DMA',
  rail: true,
  hint: false,
  words: { vertical: 'request', horizontal: 'step', enter: 'tables' },
  draw,
  inspect,
  move(scene, direction, by) {
    const transaction = chosenTransaction(scene);
    if (transaction === null) return null;
    if (direction === 'left' || direction === 'right') {
      return {
        transaction: transaction.id,
        kept: transaction,
        step: stepped(chosenStep(scene, transaction), direction, by, transaction.steps.length + 1),
      };
    }
    // Newest first: up is newer.
    const { transactions } = scene.snapshot;
    const at = transactions.findIndex(({ id }) => id === transaction.id);
    // One that has left the list is older than all in it.
    const next = transactions[stepped(at < 0 ? transactions.length : at, direction, by, transactions.length)];
    return next === undefined ? null : { transaction: next.id, kept: next, step: null };
  },
  end: () => ({ transaction: null, kept: null, sought: null, step: null }),
  enter(scene) {
    const transaction = chosenTransaction(scene);
    if (transaction === null) return 'There is no request to look into.';
    if (scene.snapshot.source === 'trace') return 'A recording has no tables to show.';
    if (transaction.interrupt !== undefined)
      return 'An interrupt is no page of any table: there is nothing below.';
    const { device, address } = transaction;
    return { do: 'deeper', view: 'tables', change: { device, address, level: null } };
  },
  settle(scene) {
    const { selection, snapshot } = scene;
    if (selection.transaction !== null && selection.kept !== null) return null;
    const transaction = chosenTransaction(scene);
    if (transaction === null) return null;
    // While the machine runs, the shown request stands still; paused, the newest is shown as it comes.
    if (selection.transaction === null && snapshot.state !== 'running') return null;
    if (transaction.timeNs < selection.since) return null;
    return { transaction: transaction.id, kept: transaction };
  },
};
