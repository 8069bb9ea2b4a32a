/** Writes cases in the form in which they are read, so that what a test made up can be kept as a file. */
import { hex } from '../vtd/bits.ts';
import { bdf } from '../vtd/source-id.ts';
import type { Case, CaseFile, Step, UnitWords } from './case-file.ts';

export function writeCases({ groups }: CaseFile): string {
  const file = {
    groups: groups.map(({ name, unit, cases }) => ({
      name,
      iommu: unitWords(unit),
      cases: cases.map(plain),
    })),
  };
  return `${JSON.stringify(file)}\n`;
}

function unitWords(unit: UnitWords) {
  const word = (isOn: boolean) => (isOn ? 'on' : 'off');
  return {
    'aw-bits': unit.awBits,
    ...(unit.scalableMode ? { 'x-scalable-mode': 'on' } : {}),
    ...(unit.firstStage ? { 'x-flts': 'on' } : {}),
    'caching-mode': word(unit.cachingMode),
    pt: word(unit.passThrough),
  };
}

function plain({ name, scalable, rtaddr, mem, watch, steps, expect }: Case) {
  return {
    name,
    ...(scalable ? { scalable } : {}),
    rtaddr: hex(rtaddr),
    mem: mem.map(({ address, qwords }) => [address, ...qwords].map(hex)),
    watch: watch.map(hex),
    steps: steps.map(plainStep),
    ...(expect === null ? {} : { expect }),
  };
}

function plainStep(step: Step): unknown[] {
  switch (step.op) {
    case 'dma':
      return [step.op, bdf(step.device), step.transfer, hex(step.address), hex(step.length)];
    case 'poke':
      return [step.op, hex(step.address), ...step.qwords.map(hex)];
    case 'peek':
      return [step.op, hex(step.address)];
    case 'reg':
      return [step.op, step.register, hex(step.value)];
    case 'rdreg':
      return [step.op, step.register];
    case 'inv': {
      const { did, device, address, mask } = step;
      return [step.op, step.kind, { did: hex(did), dev: bdf(device), addr: hex(address), am: hex(mask) }];
    }
    case 'qi':
    case 'qi256':
      return [step.op, step.descriptors.map((qwords) => qwords.map(hex))];
    default:
      return [step.op];
  }
}
