/**
 * The NVMe disk of the recorded runs: `drivers/nvme/host/pci.c`. Its driver allocates the admin queue, then shadow
 * doorbells (nvme_dbbuf_dma_alloc) and one queue for the one CPU, completion before submission (nvme_alloc_queue). It
 * maps the data of a command as one range, which fits a single SGL descriptor.
 */
import type { Direction, Mapping } from '../../../source/linux/dma-api/dma-api.ts';
import { WRITE } from '../../../source/vtd/formats/paging-entry.ts';
import { type Host, id } from '../host.ts';
import type { RecordedClock } from './recorded-clock.ts';
import { type Area, DD_REQUESTS, hex, type Lookup, PAGE, pageOf, RecordedDriver } from './recorded-driver.ts';
import type { RecordedRun } from './recorded-run.ts';

const SUBMISSION_BYTES = 64;
const COMPLETION_BYTES = 16;
/** NVME_AQ_DEPTH, and the default of io_queue_depth. */
const ADMIN_DEPTH = 32;
const DEPTH = 1024;
/** Commands with data that the driver has sent when it allocates shadow doorbells and the queue for I/O. */
const COMMANDS_TO_IDENTIFY = 5;
/** Bytes of a buffer that does not begin with a page. */
const SMALLEST = 512;

/** A request of the disk for a command: at an offset in an area, or in a page of the data. */
type Step = { readonly area: Area | null; readonly page: number; readonly offset: number };

/** The data of a command: its pages as they were recorded, and in the first of them the offset. */
type Data = { readonly pages: readonly number[]; readonly offset: number; readonly direction: Direction };

export class NvmeDisk extends RecordedDriver {
  /** Commands of the phase. */
  private commands = 0;
  private readonly completions: Area[] = [];
  private readonly submissions: Area[] = [];
  private doorbells: readonly Area[] = [];
  /** The data that the disk works on, and data that it is done with. */
  private data: Data = { pages: [], offset: 0, direction: 'both' };
  private mapping: Mapping | null = null;
  private readonly done: { readonly mapping: Mapping; readonly doneNs: number }[] = [];
  private withData = 0;
  /** From one command that is read from a queue to the next: of the last whole one, and of the present one. */
  private lastSteps: readonly Step[] = [];
  private steps: Step[] = [];
  private readonly lastOffset = new Map<Area, number>();

  constructor(host: Host, clock: RecordedClock, run: RecordedRun) {
    super(host, clock, id('00:03.0'), run);
    this.allocateQueue(ADMIN_DEPTH);
  }

  isShared(address: number): boolean {
    return this.areaOf(address) !== null;
  }

  /** All but when a lazy domain was flushed, on which it depends which addresses are free. */
  protected get knowsRest(): boolean {
    return !this.isLazy;
  }

  protected override entered(): void {
    this.commands = 0;
  }

  protected override left(): void {
    if (this.isLazy) this.finishAll();
  }

  protected asks({ address }: Lookup): void {
    const area = this.areaOf(address);
    if (area !== null) {
      if (this.submissions.includes(area)) this.begin(this.recordedData(area));
      return this.step({ area, page: 0, offset: address - area.address });
    }
    const page = this.data.pages.indexOf(pageOf(address));
    if (page < 0) throw new Error(`the disk asks for ${hex(address)}, which was not mapped for it`);
    this.step({ area: null, page, offset: address % PAGE });
  }

  protected finish(): void {
    const done = this.done.shift();
    if (done === undefined) return;
    this.unmap(done.mapping, done.doneNs);
    if (++this.withData !== COMMANDS_TO_IDENTIFY) return;
    this.doorbells = [this.coherent(PAGE), this.coherent(PAGE)];
    this.allocateQueue(DEPTH);
  }

  protected finishAll(): void {
    while (this.done.length > 0) this.finish();
  }

  /** The rest of a phase of dd: requests like the last one that was recorded whole. */
  protected override cut(lines: number): void {
    if (this.commands === 0) return;
    const steps = this.lastSteps;
    for (const step of steps.slice(this.steps.length)) this.step(this.next(step));
    const left = DD_REQUESTS - this.commands;
    const made = { requests: steps.length, misses: this.data.pages.length };
    const areas = new Set(steps.flatMap(({ area }) => area ?? [])).size;
    this.repeat(left, 1, this.flushesToCome(lines, left, made, areas), (isLast) => {
      this.begin(this.data);
      // The last request is not followed by the doorbell of another one.
      for (const step of isLast ? steps.slice(0, -1) : steps) this.step(this.next(step));
    });
  }

  private begin(data: Data): void {
    if (this.isLazy) this.finishAll();
    this.commands++;
    if (this.steps.length > 0) this.lastSteps = this.steps;
    this.steps = [];
    this.data = data;
    const { pages, offset, direction } = data;
    if (pages.length === 0) this.mapping = null;
    else if (pages.length > 1) this.mapping = this.map(this.scattered(pages.length), direction);
    else this.mapping = this.mapBuffer(offset, offset === 0 ? PAGE : SMALLEST, direction);
  }

  private step(step: Step): void {
    const { area, page, offset } = step;
    this.steps.push(step);
    if (area !== null) {
      this.lastOffset.set(area, offset);
      this.request('read', area.address + offset);
    } else if (this.mapping !== null) {
      const start = this.mapping.address - (this.mapping.address % PAGE);
      const type = this.data.direction === 'toDevice' ? 'read' : 'write';
      this.request(type, start + page * PAGE + offset);
    }
    if (area === null || !this.completions.includes(area) || this.mapping === null) return;
    this.done.push({ mapping: this.mapping, doneNs: this.now });
    this.mapping = null;
  }

  /** The same step of the next command: queues go on. */
  private next(step: Step): Step {
    const { area } = step;
    if (area === null || this.doorbells.includes(area)) return step;
    const bytes = this.completions.includes(area) ? COMPLETION_BYTES : SUBMISSION_BYTES;
    return { ...step, offset: ((this.lastOffset.get(area) ?? 0) + bytes) % (DEPTH * bytes) };
  }

  /** The data of the command that is being read, as the recording shows it. */
  private recordedData(queue: Area): Data {
    const completion = this.completions[this.submissions.indexOf(queue)];
    let isFirst = true;
    const { found, isWhole } = this.upcoming(({ address }) => {
      const isNext = !isFirst && this.submissions.some((each) => each.holds(address));
      isFirst = false;
      return !isNext && !completion.holds(address);
    });
    const lookups = found.filter(({ address }) => this.areaOf(address) === null);
    if (lookups.length === 0 && isWhole) return { pages: [], offset: 0, direction: 'both' };
    // The recording ends within the command: it is as large as the one before it.
    const pages = [...new Set(lookups.map(({ address }) => pageOf(address)))];
    while (!isWhole && pages.length < this.data.pages.length) pages.push(-1);
    const direction =
      this.phase.includes('write') || (lookups[0].permissions & WRITE) === 0 ? 'toDevice' : 'fromDevice';
    return { pages, offset: lookups[0].address % PAGE, direction };
  }

  private allocateQueue(depth: number): void {
    this.completions.push(this.coherent(depth * COMPLETION_BYTES));
    this.submissions.push(this.coherent(depth * SUBMISSION_BYTES));
  }

  private areaOf(address: number): Area | null {
    const areas = [...this.submissions, ...this.completions, ...this.doorbells];
    return areas.find((area) => area.holds(address)) ?? null;
  }
}
