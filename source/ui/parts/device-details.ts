/** All that is known about the chosen device, and about the unit: the inspector of the overview. */
import type { DeviceCounts, Reach } from '../../simulation/snapshot.ts';
import { globalStatus } from '../../vtd/unit/registers.ts';
import { badge, domainText, isTranslated, laneToken, ownerText } from '../fate.ts';
import { absent, bytes, duration, exactly, gigabits, percent, quantity } from '../format.ts';
import { blank, cell, type Row, row, span, wrap } from '../rows.ts';
import type { Scene } from '../scene.ts';
import type { Area } from '../screen.ts';

const labelWidth = 18;

export function deviceDetails({ snapshot, device }: Scene, { width }: Area): Row[] {
  const rows: Row[] = [blank];
  const line = (label: string, text: string) => {
    const lines = wrap(text, width - labelWidth - 1);
    rows.push(
      ...lines.map((each, i) => row(' ', cell(i === 0 ? label : '', labelWidth, 'label'), span(each))),
    );
  };
  if (device !== null) {
    const { counts, rates, lane, latency } = device;
    rows.push(row(span(` ${device.name}`, 'title'), span(`  ${device.bdf}`, 'label')), blank);
    line('device', device.description);
    line('driver', device.driver ?? 'none bound');
    line('group', device.group === null ? absent : String(device.group));
    line('owner', ownerText(device));
    rows.push(
      row(
        ' ',
        cell('domain', labelWidth, 'label'),
        span(badge(lane), laneToken(lane), { bold: true }),
        span(` ${domainText(device)}${device.did === null ? '' : `, did ${device.did}`}`),
      ),
    );
    line('default domain', device.defaultDomain);
    if (device.translationType !== null) line('its entry says', device.translationType);
    line('largest page', device.pageBytes === null ? absent : bytes(device.pageBytes));
    if (device.reach !== null) line('can reach', reachText(device.reach));
    if (device.untrusted) line('port', 'external: never put in passthrough');
    rows.push(blank);
    line('requests', exactly(counts.requests));
    line('IOTLB hits', `${exactly(counts.iotlb_hit)} of ${exactly(counts.iotlb_lookup)}`);
    line('page walks', exactly(counts.page_walks));
    line('faults', exactly(counts.faults));
    line('interrupts', interruptText(counts));
    line('hit rate now', isTranslated(lane) ? percent(rates.iotlb_hit, rates.iotlb_lookup) : absent);
    line('bytes/s', quantity(rates.bytes));
    line('interrupts/s', quantity(rates.interrupts));
    line('throughput', `${gigabits(rates.bytes)} Gb/s`);
    if (latency !== null) {
      line('latency p50 p99', `${exactly(latency.p50Ns)} ns  ${exactly(latency.p99Ns)} ns`);
      line('latency p99.9', `${exactly(latency.p999Ns)} ns`);
    }
    rows.push(blank);
  }
  rows.push(row(span(' Remapping unit', 'title')), blank);
  line('unit', snapshot.unit.name ?? absent);
  line('translation', translation(snapshot.unit.gsts));
  line('interrupts', remapping(snapshot.unit.gsts));
  line('RTADDR', snapshot.unit.rtaddr);
  line('CAP', snapshot.unit.cap);
  line('ECAP', snapshot.unit.ecap);
  line('memory reads', exactly(snapshot.counters.iommu_mrds));
  const waits = snapshot.queueWaitNs ?? [];
  if (waits.some((each) => each > 0)) line('waits at queue', waits.map(waitText).join(', '));
  line('fault interrupts', exactly(snapshot.faultRegisters.interrupts));
  return rows;
}

/** `352 pages, 1.4 MiB`, and what lazy invalidation adds. */
function reachText({ mapped, stale }: Reach): string {
  const pages = `${exactly(mapped)} ${mapped === 1 ? 'page' : 'pages'} of 4 KiB`;
  return stale === 0 ? pages : `${pages}, and ${exactly(stale)} unmapped but still in the IOTLB`;
}

/** How long a CPU waited for others at the invalidation queue. */
const waitText = (ns: number, cpu: number): string => `CPU ${cpu} ${duration(ns)}`;

function interruptText({ interrupts, interrupts_blocked }: DeviceCounts): string {
  const refused = interrupts_blocked === 0 ? '' : `, ${exactly(interrupts_blocked)} refused`;
  return `${exactly(interrupts)}${refused}`;
}

/** Whether interrupts are remapped, as the register says it. */
function remapping(gsts: string): string {
  const { IRES } = globalStatus.fields;
  const value = (Number(gsts) >>> IRES.shift) & IRES.mask;
  return `IRES ${value}, ${value === 1 ? 'remapped' : 'as written'}`;
}

/** The bit that turns the unit on, as the register says it. */
function translation(gsts: string): string {
  const { TES } = globalStatus.fields;
  const value = (Number(gsts) >>> TES.shift) & TES.mask;
  return `GSTS ${gsts}: TES ${value}, ${TES.values?.[value] ?? TES.meaning}`;
}
