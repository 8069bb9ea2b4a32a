/** Everything that is known at a position of a recording: a pure function of the entries before it. */
import { readBootLine } from '../../linux/boot/boot-line.ts';
import { decide, defaultBuild, plainPlatform } from '../../linux/boot/policy.ts';
import { DeviceFold } from './device-fold.ts';
import { devicesOf } from './devices.ts';
import type { Entry } from './event.ts';
import { EventLines } from './event-lines.ts';
import { FaultFold } from './fault-fold.ts';
import { groupFacts, type Phase, typeWritten } from './phase.ts';
import { Requests } from './requests.ts';
import { Tally } from './tally.ts';
import type { Trace } from './trace.ts';
import { UnitFold } from './unit-fold.ts';

export class RecordingFold {
  /** Entries taken in so far. */
  position = 0;
  phase: Phase | null = null;
  readonly tally = new Tally();
  readonly unit = new UnitFold();
  readonly faults = new FaultFold();
  readonly requests = new Requests();
  readonly lines = new EventLines();
  readonly devices: readonly DeviceFold[];
  private readonly bySourceId: ReadonlyMap<number, DeviceFold>;
  /** The device that the phases are about, if the last one to name a device did. */
  private subject: DeviceFold | undefined;
  private readonly entries: readonly Entry[];

  constructor(trace: Trace) {
    this.entries = trace.entries;
    // Without the command line, what Linux does by default is the best guess.
    const { boot, cachingMode } = trace.command ?? { boot: '', cachingMode: false };
    const { defaultType, strict } = decide(readBootLine(boot), defaultBuild, {
      cachingMode,
      firstStage: false,
      externalPort: false,
      platform: plainPlatform,
    });
    this.devices = devicesOf(trace).map((device) => new DeviceFold(device, defaultType, strict));
    this.bySourceId = new Map(this.devices.map((fold) => [fold.device.sourceId, fold]));
  }

  /** Take in the entries before a position; going back is not possible. */
  advance(position: number): this {
    const end = Math.min(position, this.entries.length);
    while (this.position < end) this.add(this.entries[this.position++]);
    return this;
  }

  private add({ timeNs, event }: Entry): void {
    this.tally.add(event);
    const device = 'sourceId' in event ? this.bySourceId.get(event.sourceId ?? -1) : undefined;
    const name = device?.device.name ?? '';
    if (device !== undefined && event.kind !== 'invalidation') device.add(event, this.unit.scalable);
    switch (event.kind) {
      case 'lookup':
        this.requests.lookup(event);
        break;
      case 'translation':
        this.lines.request(this.requests.translated(event, timeNs, name));
        break;
      case 'passed':
        this.lines.request(this.requests.passed(event, timeNs, name));
        break;
      case 'fault': {
        const request = this.requests.blocked(event, timeNs, name);
        this.faults.fault(event, timeNs, name).transaction = request.transaction.id;
        this.lines.request(request);
        break;
      }
      case 'record':
        this.faults.record(event);
        break;
      case 'pending':
        this.faults.pendingIs(event.pending, timeNs);
        break;
      case 'unit interrupt':
        this.faults.unitInterrupt();
        break;
      case 'invalidation':
        this.lines.invalidation(event, timeNs);
        break;
      case 'phase':
        this.enter(event.phase, timeNs);
        break;
      default:
        this.register(event, timeNs);
    }
  }

  private register(event: Entry['event'], timeNs: number): void {
    if (event.kind === 'register') this.faults.register(event, timeNs);
    if (event.kind === 'root')
      this.lines.kernel(timeNs, 'root', event.address, 'RTADDR', 'the root table is set');
    if (!this.unit.add(event, timeNs)) return;
    for (const device of this.devices) device.forget();
    const { translation } = this.unit;
    const result = `DMA remapping is ${translation ? 'on' : 'off'}`;
    this.lines.kernel(timeNs, translation ? 'on' : 'off', '', 'GCMD.TE', result);
  }

  private enter(phase: Phase, timeNs: number): void {
    this.phase = phase;
    this.lines.kernel(timeNs, 'phase', '', '', phase.name);
    const facts = groupFacts(phase);
    if (facts !== null) this.subject = this.bySourceId.get(facts.sourceId);
    const written = typeWritten(phase);
    if (written !== null) this.subject?.retype(written);
    else if (facts !== null && this.subject !== undefined) this.subject.defaultType = facts.type;
    this.subject?.phase(phase);
  }
}
