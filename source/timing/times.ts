/** The parts of the timing model as the parameters say. */
import type { Values } from '../parameters/registry.ts';
import type { Iommu } from '../vtd/unit/iommu.ts';
import type { Timeline } from './event-queue.ts';
import { Link, rawGbps } from './link.ts';
import { Port } from './ports.ts';
import type { Gate } from './request.ts';
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

export const timedUnitOf = (unit: Iommu, values: Values, timeline: Timeline): TimedUnit =>
  new TimedUnit(
    unit,
    {
      ...walkTimesOf(values),
      hitNs: values['iotlb.hitNs'],
      fill: values['iotlb.fill'],
      merge: values['iotlb.merge'] === 'on',
      inOrder: values['iotlb.order'] === 'inOrder',
    },
    timeline,
  );

/**
 * A device's way to memory over a link of its own.
 *
 * @param gate who decides about its requests; the unit alone if left out
 */
export const portOf = (unit: TimedUnit, values: Values, timeline: Timeline, gate?: Gate): Port =>
  new Port(
    linkOf(values),
    unit,
    {
      warmNs: values['read.warmNs'],
      coldNs: values['read.coldNs'],
      byteNs: values['read.byteNs'],
      outstanding: values['read.outstanding'],
      writeNs: values['write.ns'],
      bufferLines: values['write.bufferLines'],
      hitNs: values['iotlb.hitNs'],
      readGbps: values['device.readGbps'],
      writeGbps: values['device.writeGbps'],
    },
    timeline,
    gate,
  );
