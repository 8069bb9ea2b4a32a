/** What an entry of the translation tables says. */

import { Fault } from '../../vtd/faults/fault-reason.ts';
import { TranslationType } from '../../vtd/formats/context-entry.ts';
import { levelName } from '../../vtd/formats/paging-entry.ts';
import { faultText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { hexText } from './fields.ts';
import { reservedBits, type Unit, unitsWhere } from './reserved.ts';

const refused = (code: number): string => `a request through it ends in ${faultText(code)}`;
const unread = 'they do not matter while the entry is not present';

export function explainRootEntry({ values }: Subject): Explanation {
  if (values.P === 0n) {
    const means = [
      `Not present: requests of every device on this bus end in ${faultText(Fault.ROOT_NOT_PRESENT)}.`,
    ];
    return { means, ifReserved: unread };
  }
  return {
    means: [`The devices of this bus have their context entries in the table at ${hexText(values.CTP)}.`],
    ifReserved: refused(Fault.ROOT_RESERVED),
  };
}

export function explainContextEntry(subject: Subject): Explanation {
  const { P, FPD } = subject.values;
  const silent =
    FPD === 0n ? [] : ['FPD is set: faults of this device are refused all the same, but not recorded.'];
  if (P === 0n) {
    const means = `Not present: requests of this device end in ${faultText(Fault.CONTEXT_NOT_PRESENT)}.`;
    return { means: [means, ...silent], ifReserved: unread };
  }
  return {
    means: [translation(subject), ...silent, ...invalidity(subject)],
    ifReserved: refused(Fault.CONTEXT_RESERVED),
  };
}

function translation({ values: { TT, SSPTPTR, AW, DID } }: Subject): string {
  switch (Number(TT)) {
    case TranslationType.PASS_THROUGH:
      return `This device is in passthrough: its addresses are used unchanged; domain ${DID}.`;
    case TranslationType.RESERVED:
      return `TT = 11b is reserved: on every unit ${refused(Fault.CONTEXT_INVALID)}.`;
    default: {
      const levels = AW >= 1n && AW <= 3n ? `${AW + 2n} levels` : `reserved address width ${AW}`;
      return `This device is translated by tables at ${hexText(SSPTPTR)}, ${levels}, domain ${DID}.`;
    }
  }
}

/**
 * Units that lack what the entry asks for. Reserved bits are checked first, so units that stop there are left
 * out. What only units less common than a Skylake lack, such as four levels, is not worth a word.
 */
function invalidity({ layout, words, values }: Subject): string[] {
  const type = Number(values.TT);
  const aw = Number(values.AW);
  if (type === TranslationType.RESERVED) return [];
  const stopped = new Set(reservedBits(layout, words).flatMap(({ units }) => units));
  const lacking = (what: string, lacks: (unit: Unit) => boolean) => {
    const names = unitsWhere((unit) => !stopped.has(unit.name) && lacks(unit));
    return !names.startsWith('skylake') ? [] : [`On ${names} ${refused(Fault.CONTEXT_INVALID)}: ${what}.`];
  };
  if (type === TranslationType.PASS_THROUGH) {
    return [
      ...lacking('there is no pass-through', ({ capabilities: c }) => !c.passThrough),
      ...lacking(
        'in passthrough AW must be the largest width of the unit',
        ({ capabilities: c }) => c.passThrough && aw !== c.largestAw,
      ),
    ];
  }
  const noTlb = type === TranslationType.DEVICE_TLB;
  return [
    ...lacking('TT = 01b needs device TLBs', ({ capabilities: c }) => noTlb && !c.deviceTlb),
    ...lacking(
      `tables of this width (AW ${aw}) are not supported`,
      ({ capabilities: c }) => !(noTlb && !c.deviceTlb) && ((c.sagaw >> aw) & 1) === 0,
    ),
  ];
}

const ways = (read: bigint, write: bigint): string =>
  read === 0n ? 'writing only' : write === 0n ? 'reading only' : 'reading and writing';

const leafSize = ['', '4 KiB', '2 MiB', '1 GiB'];

export function explainPagingEntry({ values, level }: Subject): Explanation {
  const { R, W, PS, ADDR } = values;
  if (R === 0n && W === 0n) {
    const means = `Not present: a read ends in ${faultText(Fault.NO_READ)}, a write in ${faultText(Fault.NO_WRITE)}.`;
    return { means: [means, 'All other bits do not matter then.'], ifReserved: unread };
  }
  const isLeaf = level === 1 || (level <= 3 && PS === 1n);
  const what = isLeaf
    ? `Maps a page of ${leafSize[level]} at ${hexText(ADDR)}`
    : `Points to the table of level ${level - 1} (${levelName(level - 1)}) at ${hexText(ADDR)}`;
  const denied = R === 0n ? ['A read', Fault.NO_READ] : W === 0n ? ['A write', Fault.NO_WRITE] : null;
  return {
    means: [
      `Entry of level ${level} (${levelName(level)}). ${what}, for ${ways(R, W)}.`,
      ...(denied === null ? [] : [`${denied[0]} ends in ${faultText(Number(denied[1]))}.`]),
      'An access needs its permission in every entry on the way, from the top table to the page.',
    ],
    ifReserved: refused(Fault.PAGING_RESERVED),
  };
}
