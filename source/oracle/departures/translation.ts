/** Departures in what becomes of requests. */
import type { UnitWords } from '../../conformance/case-file.ts';
import { contextWord, faultOf, leafOf, type Request } from '../situation.ts';
import { type Departure, isDma, isField } from './departure.ts';

const FPD = 0b10;
const SNOOP = 1 << 11;
const PASS_THROUGH = 0b10;
const BIT_62_OF_HIGH_HALF = 0x4000_0000;

const typeOf = (request: Request): number => (contextWord(request) >>> 2) & 3;
const pageShift = (level: number): bigint => BigInt(12 + 9 * (level - 1));

/** Whether the page that a leaf maps has any address of 0xfeex_xxxx, while not being in there as a whole. */
function coversInterrupts(request: Request): boolean {
  const leaf = leafOf(request);
  if (leaf === undefined || leaf.level < 2 || leaf.level > 3) return false;
  const address =
    leaf.stage === 'IOTLB'
      ? BigInt(leaf.address ?? 0)
      : (BigInt(leaf.words[1] & 0xf_ffff) << 32n) | BigInt(leaf.words[0] >>> 0);
  const shift = pageShift(leaf.level);
  return address >> shift === 0xfee0_0000n >> shift;
}

/** Whether an earlier request of the same device left a translation of the same page. */
const isCachedBy =
  (later: Request) =>
  (before: Request): boolean => {
    const level = leafOf(before)?.level ?? 1;
    const shift = pageShift(level);
    return (
      !before.blocked &&
      before.access !== later.access &&
      before.device === later.device &&
      before.address >> shift === later.address >> shift
    );
  };

const isAbleOfScalableMode = (unit: UnitWords): boolean => unit.scalableMode;

export const translationDepartures: readonly Departure[] = [
  {
    name: 'permission of a cached translation',
    why: 'QEMU drops a write to a page that it has cached as read-only, or the reverse, and records no fault; the specification has 5 or 6 (85 or 86).',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      situation.requests.some((request, index) => {
        const before = [...situation.earlier, ...situation.requests.slice(0, index)];
        // The simulated unit walks again where what it has cached does not allow the request.
        const isCached = request.steps.some(({ clause }) =>
          clause.includes('cached without this permission'),
        );
        return (
          isCached || ([0x5, 0x6, 0x85, 0x86].includes(faultOf(request)) && before.some(isCachedBy(request)))
        );
      }),
  },
  {
    name: 'large page over the interrupt range',
    why: 'QEMU refuses every address of a large page that contains 0xfeex_xxxx (0xe), not only those in there.',
    apart: true,
    explains: (situation) =>
      isDma(situation) && situation.requests.some((request) => !request.blocked && coversInterrupts(request)),
  },
  {
    name: 'interrupt range on a unit able of scalable mode',
    why: 'On a unit with scalable mode QEMU answers 0x87 in legacy mode, too, where the specification has 0xe.',
    apart: false,
    explains: (situation) =>
      isAbleOfScalableMode(situation.unit) &&
      isField(situation, 'fault.reason') &&
      situation.fields.every(({ expected, got }) => expected === '0xe' && got === '0x87'),
  },
  {
    name: 'snoop bit on a unit able of scalable mode',
    why: 'On such a unit QEMU ignores bit 11 of a page entry, although it has no snoop control; the specification has c (or 7a).',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      isAbleOfScalableMode(situation.unit) &&
      situation.requests.some(
        (request) =>
          [0xc, 0x7a].includes(faultOf(request)) && ((leafOf(request)?.words[0] ?? 0) & SNOOP) !== 0,
      ),
  },
  {
    name: 'pass-through beyond the width',
    why: 'QEMU lets a pass-through device use any address; the specification refuses those above the width (4 or 83).',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      situation.requests.some(
        (request) =>
          faultOf(request) === 0x83 || (faultOf(request) === 0x4 && typeOf(request) === PASS_THROUGH),
      ),
  },
  {
    name: 'address width of a pass-through entry',
    why: 'QEMU accepts any width that it has; the specification wants the largest (3).',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      situation.requests.some((request) => faultOf(request) === 0x3 && typeOf(request) === PASS_THROUGH),
  },
  {
    name: 'table mode that the unit lacks',
    why: 'QEMU takes every mode in RTADDR that it does not have for legacy; the specification has 0x30.',
    apart: true,
    explains: (situation) =>
      isDma(situation) && situation.requests.some((request) => faultOf(request) === 0x30),
  },
  {
    name: 'FPD with reserved bits in the context entry',
    why: 'QEMU records b (or 42) although FPD is set; by the specification the fault is qualified.',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      situation.requests.some(
        (request) => [0xb, 0x42].includes(faultOf(request)) && (contextWord(request) & FPD) !== 0,
      ),
  },
  {
    name: 'bit 62 of a paging entry',
    why: 'QEMU takes bit 62 (TM) for reserved unless device TLBs are on; newer revisions ignore it.',
    apart: true,
    explains: (situation) =>
      isDma(situation) &&
      [...situation.earlier, ...situation.requests].some(({ steps }) =>
        steps.some(({ stage, words }) => stage === 'paging entry' && (words[1] & BIT_62_OF_HIGH_HALF) !== 0),
      ),
  },
];
