/** What the value of a register says. */
import { Fault } from '../../vtd/faults/fault-reason.ts';
import { bdf } from '../../vtd/source-id.ts';
import { faultText, queueErrorText } from './codes.ts';
import type { Explanation, Subject } from './decoded.ts';
import { explainCapability, explainExtendedCapability } from './explain-capabilities.ts';
import { hexText } from './fields.ts';
import { pagesText } from './pages.ts';

type Values = Readonly<Record<string, bigint>>;

const granule = 'Here regions have a granule of 1 MiB; on a real unit, write ones and read back.';

/** By the name of the register; one that is not here is shown with its fields only. */
const sentences: Readonly<Record<string, (values: Values) => string[]>> = {
  CAP: explainCapability,
  ECAP: explainExtendedCapability,
  GSTS: ({ TES, RTPS, WBFS, QIES, IRES }) => [
    TES === 1n
      ? 'DMA remapping is on: every request is looked up in the tables.'
      : 'DMA remapping is off: requests reach memory with their addresses unchanged.',
    ...(RTPS === 0n ? ['No root table is set.'] : []),
    QIES === 1n ? 'Invalidations go through the queue.' : 'Invalidations go through registers.',
    IRES === 1n ? 'Interrupts are remapped.' : 'Interrupts are not remapped.',
    ...(WBFS === 1n ? ['A flush of the write buffers is under way.'] : []),
  ],
  RTADDR: ({ RTA, TTM }) => [
    TTM === 3n
      ? 'Every DMA is refused (abort-DMA mode).'
      : TTM === 2n
        ? `The table mode is reserved: requests end in ${faultText(Fault.BAD_TABLE_MODE)}.`
        : `The root table lies at ${hexText(RTA)}, in ${TTM === 1n ? 'scalable' : 'legacy'} mode.`,
    'It counts from the next GCMD.SRTP on.',
  ],
  CCMD: ({ ICC, CIRG, CAIG, DID, SID, FM }) => [
    ICC === 1n ? 'An invalidation of the context cache is under way.' : 'No invalidation is under way.',
    `Asked for: ${
      [
        'nothing (granularity 0 is reserved)',
        'everything',
        `domain ${DID}`,
        `${bdf(Number(SID))}, function mask ${FM}`,
      ][Number(CIRG)]
    }.`,
    ...(ICC === 0n
      ? [`Carried out: ${['nothing', 'everything', 'a domain', 'a device'][Number(CAIG)]}.`]
      : []),
  ],
  FSTS: explainFaultStatus,
  FECTL: ({ IM, IP }) => [
    IM === 1n ? 'Fault interrupts are masked.' : 'Faults raise an interrupt.',
    ...(IP === 1n ? ['One is waiting to be sent.'] : []),
  ],
  PMEN: ({ EPM, PRS }) => [
    EPM === 1n
      ? 'No DMA reaches the protected memory regions, whether DMA remapping is on or off.'
      : 'The protected memory regions are off.',
    ...(EPM !== PRS ? ['The change is not in effect yet.'] : []),
  ],
  PLMBASE: ({ BASE }) => [`The protected low region begins at ${hexText(BASE)}.`, granule],
  PLMLIMIT: ({ LIMIT }) => [`The protected low region ends at ${hexText(LIMIT + 0xf_ffffn)}.`, granule],
  PHMBASE: ({ BASE }) => [`The protected high region begins at ${hexText(BASE)}.`, granule],
  PHMLIMIT: ({ LIMIT }) => [`The protected high region ends at ${hexText(LIMIT + 0xf_ffffn)}.`, granule],
  PQH: ({ PQH }) => [`Software takes entry ${PQH / 32n} of the page request queue next.`],
  PQT: ({ PQT }) => [`The unit fills entry ${PQT / 32n} of the page request queue next.`],
  PQA: ({ PQS, PQA }) => [
    `The page request queue lies at ${hexText(PQA)} and has ${1n << (PQS + 7n)} entries of 32 bytes.`,
  ],
  PRS: ({ PPR, PRO }) => [
    PPR === 1n ? 'A page request waits to be taken from the queue.' : 'No page request is pending.',
    ...(PRO === 1n
      ? ['The queue overflowed: page requests are answered by the unit itself until this bit is cleared.']
      : []),
  ],
  PECTL: ({ IM, IP }) => [
    IM === 1n ? 'Interrupts of page requests are masked.' : 'Page requests raise an interrupt.',
    ...(IP === 1n ? ['One is waiting to be sent.'] : []),
  ],
  IQA: ({ QS, DW, IQA }) => [
    `The invalidation queue lies at ${hexText(IQA)} and has ${1n << (QS + 8n - DW)} descriptors of ${
      DW === 1n ? 256 : 128
    } bits.`,
  ],
  IRTA: ({ S, EIME, IRTA }) => [
    `The interrupt-remapping table lies at ${hexText(IRTA)} and has ${2n << S} entries, in ${
      EIME === 1n ? 'x2APIC' : 'xAPIC'
    } mode.`,
    'It counts from the next GCMD.SIRTP on.',
  ],
  IQERCD: ({ IQEI, ITESID, ICESID }) => [
    IQEI === 0n ? 'The queue has not stopped.' : `The queue stopped: ${queueErrorText(Number(IQEI))}.`,
    ...(ITESID === 0n ? [] : [`${bdf(Number(ITESID))} did not answer a device-TLB invalidation in time.`]),
    ...(ICESID === 0n
      ? []
      : [`${bdf(Number(ICESID))} answered a device-TLB invalidation that nobody asked for.`]),
  ],
  IVA: ({ ADDR, AM, IH }) => [
    `The next page-selective IOTLB command drops ${pagesText(ADDR, AM)}.`,
    ...(IH === 1n ? ['Only last-level entries changed (IH): the paging-structure caches may stay.'] : []),
  ],
  IOTLB: ({ IVT, IIRG, IAIG, DID }) => [
    IVT === 1n ? 'An invalidation of the IOTLB is under way.' : 'No invalidation is under way.',
    `Asked for: ${
      [
        'nothing (granularity 0 is reserved)',
        'everything',
        `domain ${DID}`,
        `the pages of IVA in domain ${DID}`,
      ][Number(IIRG)]
    }.`,
    ...(IVT === 0n ? [`Carried out: ${['nothing', 'everything', 'a domain', 'pages'][Number(IAIG)]}.`] : []),
  ],
};

export const explainRegister = (name: string, { values }: Subject): Explanation => ({
  means: Object.hasOwn(sentences, name) ? sentences[name](values) : [],
  ifReserved: 'they read as 0; other revisions of the specification may use them',
});

/** FSTS, also as Linux prints it when it handles a fault. */
export function explainFaultStatus({ PFO, PPF, AFO, APF, IQE, ICE, ITE, FRI }: Values): string[] {
  const means = [
    ...(PPF === 1n ? [`At least one fault is recorded, the first in record ${FRI}.`] : []),
    ...(PFO === 1n ? ['At least one more fault found no free record and is lost.'] : []),
    ...(APF === 1n ? ['The fault log in memory holds a fault.'] : []),
    ...(AFO === 1n ? ['The fault log in memory overflowed.'] : []),
    ...(IQE === 1n ? ['The invalidation queue stopped at a descriptor; IQERCD says why.'] : []),
    ...(ICE === 1n ? ['A device answered an invalidation that nobody asked for.'] : []),
    ...(ITE === 1n ? ['A device did not answer a device-TLB invalidation in time.'] : []),
  ];
  return means.length === 0 ? ['No fault and no error is pending.'] : means;
}
