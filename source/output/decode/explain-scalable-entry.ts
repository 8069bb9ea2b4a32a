/** What an entry of the tables of scalable mode says. */
import { Fault } from '../../vtd/faults/fault-reason.ts';
import { levelName } from '../../vtd/formats/paging-entry.ts';
import { PageTableType } from '../../vtd/formats/pasid-table-entry.ts';
import { type Capabilities, capabilities, presets } from '../../vtd/unit/capabilities.ts';
import { faultText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { hexText } from './fields.ts';
import type { Unit } from './reserved.ts';

/** Units that have scalable mode. */
export const scalableUnits: readonly Unit[] = (['server', 'qemu-scalable', 'qemu-first-stage'] as const).map(
  (name) => ({ name, capabilities: capabilities(presets[name]) }),
);

const refused = (code: number): string => `a request through it ends in ${faultText(code)}`;
const unread = 'they do not matter while the entry is not present';
const silent = ({ FPD }: Subject['values'], whose: string): string[] =>
  FPD === 1n ? [`FPD is set: faults of ${whose} are refused all the same, but not recorded.`] : [];

export function explainScalableRootEntry({ values: { LP, LCTP, UP, UCTP } }: Subject): Explanation {
  const half = (present: bigint, table: bigint, devices: string) =>
    present === 1n
      ? `Devices ${devices} of this bus have their context entries in the table at ${hexText(table)}.`
      : `Devices ${devices}: not present, requests end in ${faultText(Fault.SM_ROOT_NOT_PRESENT)}.`;
  return {
    means: [half(LP, LCTP, '0x00 to 0x0f'), half(UP, UCTP, '0x10 to 0x1f')],
    ifReserved: LP === 0n && UP === 0n ? unread : refused(Fault.SM_ROOT_RESERVED),
  };
}

export function explainScalableContextEntry({ values }: Subject): Explanation {
  const { P, DTE, PASIDE, PRE, PDTS, PASIDDIRPTR, RID_PASID } = values;
  if (P === 0n) {
    const means = `Not present: requests of this device end in ${faultText(Fault.SM_CONTEXT_NOT_PRESENT)}.`;
    return { means: [means, ...silent(values, 'this device')], ifReserved: unread };
  }
  const allowed = [
    ...(PASIDE === 1n ? ['requests with PASID'] : []),
    ...(DTE === 1n ? ['a device TLB'] : []),
    ...(PRE === 1n ? ['page requests'] : []),
  ];
  const tooLarge = where(({ pasidWidth }) => Number(PDTS) + 13 > Math.max(13, pasidWidth));
  return {
    means: [
      `This device has its PASID directory at ${hexText(PASIDDIRPTR)}, for PASIDs below ${hexText(1n << (PDTS + 13n))}.`,
      `Its requests without PASID are looked up as PASID ${RID_PASID}. How they are translated stands in the PASID table entry.`,
      `Allowed: ${allowed.length === 0 ? 'requests without PASID only' : allowed.join(', ')}.`,
      ...(tooLarge === ''
        ? []
        : [
            `On ${tooLarge} ${refused(Fault.SM_CONTEXT_INVALID)}: the directory is for more PASIDs than the unit has.`,
          ]),
      ...silent(values, 'this device'),
    ],
    ifReserved: refused(Fault.SM_CONTEXT_RESERVED),
  };
}

export function explainPasidDirectoryEntry({ values }: Subject): Explanation {
  if (values.P === 0n) {
    const means = `Not present: requests with these 64 PASIDs end in ${faultText(Fault.DIRECTORY_NOT_PRESENT)}.`;
    return { means: [means, ...silent(values, 'these PASIDs')], ifReserved: unread };
  }
  return {
    means: [
      `The entries of these 64 PASIDs lie in the PASID table at ${hexText(values.SMPTBLPTR)}.`,
      ...silent(values, 'these PASIDs'),
    ],
    ifReserved: refused(Fault.DIRECTORY_RESERVED),
  };
}

export function explainPasidTableEntry({ values }: Subject): Explanation {
  if (values.P === 0n) {
    const means = `Not present: requests with this PASID end in ${faultText(Fault.PASID_NOT_PRESENT)}.`;
    return { means: [means, ...silent(values, 'this PASID')], ifReserved: unread };
  }
  return {
    means: [pageTables(values), ...lacking(values), ...silent(values, 'this PASID')],
    ifReserved: refused(Fault.PASID_RESERVED),
  };
}

function pageTables({ PGTT, AW, SSPTPTR, FSPM, FSPTPTR, DID }: Subject['values']): string {
  const first = `the first-stage tables at ${hexText(FSPTPTR)}, ${FSPM === 0n ? '4' : FSPM === 1n ? '5' : 'a reserved number of'} levels`;
  const second = `the second-stage tables at ${hexText(SSPTPTR)}, ${AW >= 1n && AW <= 3n ? `${AW + 2n} levels` : `reserved address width ${AW}`}`;
  switch (Number(PGTT)) {
    case PageTableType.FIRST_STAGE:
      return `PGTT = 001b: translated by ${first}; domain ${DID}.`;
    case PageTableType.SECOND_STAGE:
      return `PGTT = 010b: translated by ${second}; domain ${DID}.`;
    case PageTableType.NESTED:
      return `PGTT = 011b: nested, translated by ${first}, and what comes of that by ${second}; domain ${DID}.`;
    case PageTableType.PASS_THROUGH:
      return `PGTT = 100b: in passthrough, addresses are used unchanged; domain ${DID}. It is what iommu=pt gives the host's devices in scalable mode.`;
    default:
      return `PGTT = ${PGTT.toString(2).padStart(3, '0')}b is reserved: ${refused(Fault.PASID_INVALID)}.`;
  }
}

/** Units that lack what the entry asks for. */
function lacking({ PGTT, AW, FSPM }: Subject['values']): string[] {
  const type = Number(PGTT);
  const uses = (...types: number[]) => types.includes(type);
  const first = uses(PageTableType.FIRST_STAGE, PageTableType.NESTED);
  const second = uses(PageTableType.SECOND_STAGE, PageTableType.NESTED);
  const asks: readonly [string, (c: Capabilities) => boolean][] = [
    ['there is no pass-through', (c) => uses(PageTableType.PASS_THROUGH) && !c.passThrough],
    ['there is no first stage', (c) => first && !c.firstStage],
    ['there is no second stage', (c) => second && !c.secondStage],
    ['nothing is nested', (c) => uses(PageTableType.NESTED) && c.firstStage && c.secondStage && !c.nested],
    [
      `tables of this width (AW ${AW}) are not supported`,
      (c) => second && ((c.sagaw >> Number(AW)) & 1) === 0,
    ],
    ['first-stage tables have 4 levels only', (c) => first && FSPM === 1n && !c.fiveLevelFirstStage],
  ];
  return asks.flatMap(([what, lacks]) => {
    const names = where(lacks);
    return names === '' ? [] : [`On ${names} ${refused(Fault.PASID_INVALID)}: ${what}.`];
  });
}

const where = (holds: (capabilities: Capabilities) => boolean): string =>
  scalableUnits
    .filter(({ capabilities: c }) => holds(c))
    .map(({ name }) => name)
    .join(', ');

const leafSize = ['', '4 KiB', '2 MiB', '1 GiB'];

export function explainFirstStageEntry({ values, level }: Subject): Explanation {
  const { P, RW, US, PS, ADDR } = values;
  if (P === 0n) {
    const means = `Not present: a request ends in ${faultText(Fault.FS_NOT_PRESENT)}.`;
    return { means: [means, 'All other bits do not matter then.'], ifReserved: unread };
  }
  const isLeaf = level === 1 || (level <= 3 && PS === 1n);
  const what = isLeaf
    ? `Maps a page of ${leafSize[level]} at ${hexText(ADDR)}`
    : `Points to the table of level ${level - 1} (${levelName(level - 1)}) at ${hexText(ADDR)}`;
  return {
    means: [
      `Entry of level ${level} (${levelName(level)}). ${what}, for ${RW === 0n ? 'reading only' : 'reading and writing'}.`,
      ...(RW === 0n ? [`A write ends in ${faultText(Fault.SM_NO_WRITE)}.`] : []),
      ...(US === 0n ? [`Supervisor only: a user request ends in ${faultText(Fault.NO_USER)}.`] : []),
      'An access needs its permission in every entry on the way, from the top table to the page.',
    ],
    ifReserved: refused(Fault.FS_RESERVED),
  };
}
