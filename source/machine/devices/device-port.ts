/** A device's requests on their way through time: what it asks for is looked up when it arrives at the unit. */
import type { Values } from '../../parameters/registry.ts';
import type { Timeline } from '../../timing/event-queue.ts';
import type { Port } from '../../timing/ports.ts';
import type { Gate, Request } from '../../timing/request.ts';
import type { TimedUnit } from '../../timing/timed-unit.ts';
import { portOf } from '../../timing/times.ts';
import { READ } from '../../vtd/formats/paging-entry.ts';
import type { Random } from '../random.ts';
import type { Device } from './device.ts';
import { type DmaPath, PATTERN } from './dma.ts';
import { PagePieces } from './page-pieces.ts';

/** What was measured so long ago counts half. */
const FADE_NS = 1e6;

export class DevicePort implements Gate {
  readonly port: Port;
  /** Bytes that the device goes through; what the last-level cache does not hold of them is read from memory. */
  workingSet = 0;
  private readonly device: Device;
  private readonly path: DmaPath;
  private readonly timeline: Timeline;
  private readonly cacheBytes: number;
  private readonly chance: Random;
  private readonly pieces = new PagePieces();
  private fadeAt = FADE_NS;

  constructor(
    device: Device,
    path: DmaPath,
    unit: TimedUnit,
    values: Values,
    timeline: Timeline,
    chance: Random,
  ) {
    this.device = device;
    this.path = path;
    this.timeline = timeline;
    this.cacheBytes = values['llc.bytes'];
    this.chance = chance;
    this.port = portOf(unit, values, timeline, this);
  }

  /**
   * Ask for DMA of any length, one request for each page it touches. A write to 0xfeex_xxxx is an interrupt.
   *
   * @returns the number of the last request
   */
  ask(hi: number, lo: number, bytes: number, access: number): number {
    const { port, device, pieces } = this;
    const { requesterId: sourceId } = device;
    pieces.start(hi, lo, bytes);
    while (pieces.next()) {
      if (access === READ) port.read(sourceId, pieces.hi, pieces.lo, pieces.bytes, this.isWarm());
      else port.write(sourceId, pieces.hi, pieces.lo, pieces.bytes, undefined, undefined, PATTERN);
    }
    return port.asked;
  }

  /** Send an interrupt behind what the device has written. */
  interrupt(at: number, data: number): void {
    this.port.write(this.device.requesterId, 0, at, 4, undefined, undefined, data);
  }

  /** A request was made at once, and its translation took so long. */
  madeAtOnce(bytes: number, access: number, translationNs: number): void {
    this.note(this.port.takesAtOnce(bytes, access, this.isWarm(), translationNs));
  }

  translate(request: Request): number {
    return this.path.lookUp(this.device, request);
  }

  decided(request: Request): void {
    this.path.decided(this.device, request);
  }

  over(_: Request, ns: number): void {
    this.note(ns);
  }

  private note(ns: number): void {
    const { latencies } = this.device;
    const now = this.timeline.now();
    if (now >= this.fadeAt) {
      this.fadeAt = now + FADE_NS;
      latencies.fade();
    }
    latencies.add(ns);
  }

  private isWarm(): boolean {
    return this.workingSet <= this.cacheBytes || this.chance.next() * this.workingSet < this.cacheBytes;
  }
}
