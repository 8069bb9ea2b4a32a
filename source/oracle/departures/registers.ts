/** Departures in what registers show. */
import { type Departure, reads, usesQueue, valueDifference } from './departure.ts';

const FECTL_IP = 1n << 30n;
const QIES = 1n << 26n;
const CFIS = 1n << 23n;
/** PV of a fault record. */
const PV = 0xf_ffffn << 40n;

export const registerDepartures: readonly Departure[] = [
  {
    name: 'fault event after its record was cleared',
    why: 'QEMU drops a pending fault event with a write to FSTS only, even when the record that raised it is gone; by the specification IP goes with the last cause.',
    apart: false,
    explains: (situation) => reads(situation, 'FECTL') && valueDifference(situation) === FECTL_IP,
  },
  {
    name: 'granularity of a context invalidation',
    why: 'QEMU carries out a domain-selective one globally and says so in CAIG, which is allowed.',
    apart: false,
    explains: (situation) => reads(situation, 'CCMD') && valueDifference(situation) === 3n << 59n,
  },
  {
    name: 'register commands while the queue is on',
    why: 'QEMU ignores them and leaves ICC and IVT set for ever; software must not use them then.',
    apart: false,
    explains: (situation) => {
      if (!usesQueue(situation) || situation.ours.op !== 'rdreg' || situation.theirs.op !== 'rdreg')
        return false;
      const pending = (BigInt(situation.theirs.val) & (1n << 63n)) !== 0n;
      return (reads(situation, 'CCMD') || reads(situation, 'IOTLB')) && pending;
    },
  },
  {
    name: 'reading IQA',
    why: 'QEMU shows the queue that was enabled last rather than what was written.',
    apart: false,
    explains: (situation) => reads(situation, 'IQA'),
  },
  {
    name: 'tail set before the queue is on',
    why: 'QEMU carries out what the tail already points behind; software must set it to 0, and the simulated unit stays off.',
    apart: true,
    explains: (situation) => reads(situation, 'GSTS') && valueDifference(situation) === QIES,
  },
  {
    name: 'compatibility-format interrupts',
    why: 'QEMU has no CFI.',
    apart: false,
    explains: (situation) => reads(situation, 'GSTS') && valueDifference(situation) === CFIS,
  },
  {
    name: 'PASID of a record without one',
    why: 'QEMU leaves ones in PV where PP is 0, so the field means nothing.',
    apart: false,
    explains: (situation) => reads(situation, 'FRCDHI') && (valueDifference(situation) & ~PV) === 0n,
  },
];
