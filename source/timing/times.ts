/** The parts of the timing model as the parameters say. */
import type { Clock } from '../linux/clock.ts';
import type { Values } from '../parameters/registry.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import { Link, rawGbps } from './link.ts';
import { Port } from './ports.ts';
import { TimedUnit } from './timed-unit.ts';
import type { WalkTimes } from './walkers.ts';

export const walkTimesOf = (values: Values): WalkTimes => ({
  walkers: values.walkers,
  walkNs: values['walk.ns'],
  readNs: values['walk.readNs'],
  busyNs: values['walk.busyNs'],
});

export const linkOf = (values: Values): Link =>
  new Link({
    gbps: rawGbps(values['link.generation'], values['link.lanes']),
    maxPayload: values['link.maxPayloadBytes'],
    readRequestBytes: values['link.readRequestBytes'],
    writeOverhead: values['link.writeOverheadBytes'],
    readOverhead: values['link.readOverheadBytes'],
    completionOverhead: values['link.completionOverheadBytes'],
  });

export const timedUnitOf = (unit: Iommu, values: Values, clock: Clock): TimedUnit =>
  new TimedUnit(
    unit,
    {
      ...walkTimesOf(values),
      hitNs: values['iotlb.hitNs'],
      fill: values['iotlb.fill'],
      merge: values['iotlb.merge'] === 'on',
      inOrder: values['iotlb.order'] === 'inOrder',
    },
    clock,
  );

/** A device's way to memory over a link of its own. */
export const portOf = (unit: TimedUnit, values: Values, clock: Clock): Port =>
  new Port(
    linkOf(values),
    unit,
    {
      warmNs: values['read.warmNs'],
      coldNs: values['read.coldNs'],
      byteNs: values['read.byteNs'],
      writeNs: values['write.ns'],
      bufferLines: values['write.bufferLines'],
      hitNs: values['iotlb.hitNs'],
    },
    clock,
  );
