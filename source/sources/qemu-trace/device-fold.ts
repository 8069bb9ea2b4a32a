/** What is known about one device at a moment of a recording, put together from what came before. */
import type { DefaultType } from '../../linux/boot/policy.ts';
import { laneOf } from '../../simulation/lane.ts';
import type { DeviceState, DomainType } from '../../simulation/snapshot.ts';
import { bigToWords } from '../../vtd/bits.ts';
import { contextEntry, TranslationType } from '../../vtd/formats/context-entry.ts';
import type { TraceDevice } from './devices.ts';
import type { TraceEvent } from './event.ts';
import type { Phase } from './phase.ts';
import { deviceCounts, Tally } from './tally.ts';

const SILENT = 'in pass-through QEMU leads its DMA around the unit: no line shows it';

export class DeviceFold {
  readonly tally = new Tally();
  /** Every domain that it was seen in. */
  readonly domains = new Set<number>();
  readonly device: TraceDevice;
  defaultType: DefaultType;
  private driver: string | null;
  /** The type of the translated domains of this kernel. */
  private readonly translatedType: 'DMA' | 'DMA-FQ';
  /** Whether its DMA goes untranslated, as far as the trace has shown it since it could last change. */
  private passes: boolean | null = null;
  private did: number | null = null;
  private pageBytes: number | null = null;
  private lastContext = '';
  /** The next address space follows from an entry that is being replaced, and says nothing of the new one. */
  private changing = false;
  /** User space has claimed it through VFIO, and what it got. */
  private claimed: 'no' | 'not yet' | 'blocked' | 'unmanaged' = 'no';

  constructor(device: TraceDevice, defaultType: DefaultType, strict: boolean) {
    this.device = device;
    this.defaultType = defaultType;
    this.driver = device.driver;
    this.translatedType = strict ? 'DMA' : 'DMA-FQ';
  }

  /** An event of this device. */
  add(event: TraceEvent, scalable: boolean): void {
    this.tally.add(event);
    switch (event.kind) {
      case 'context':
        // Entries of scalable mode lead to a PASID table; what is done with a request stands there.
        if (!scalable) this.context(event.high, event.low);
        break;
      case 'lookup':
        this.found(event.did);
        break;
      case 'translation':
        this.passes = false;
        this.pageBytes = Math.max(this.pageBytes ?? 0, Number(event.mask) + 1);
        break;
      case 'passed':
        this.passes = true;
        break;
      case 'not present':
        this.forget();
        this.changing = true;
        if (this.claimed !== 'no') this.claimed = 'blocked';
        break;
      case 'address space':
        if (!this.changing) this.passes = !event.remapped;
        this.changing = false;
    }
  }

  /** Translation was turned on or off: what was known holds no more. */
  forget(): void {
    this.passes = null;
    this.did = null;
    this.pageBytes = null;
    this.lastContext = '';
  }

  /** A phase that is about this device. */
  phase({ name }: Phase): void {
    const [word] = name.split(' ', 1);
    if (word === 'nic-unbind') this.driver = null;
    else if (word === 'vfio-bind') {
      this.driver = 'vfio-pci';
      this.claimed = 'not yet';
    } else if (word === 'vfio-set-iommu' || word === 'vfio-attached') this.claimed = 'unmanaged';
    else if (word === 'vfio-closed') {
      this.claimed = 'no';
      this.forget();
    }
  }

  /** A type was written for its group: a new domain, of which the trace has shown nothing yet. */
  retype(type: DefaultType): void {
    this.defaultType = type;
    this.forget();
  }

  /** @param rates of the last second */
  state(translation: boolean, rates: DeviceState['rates']): DeviceState {
    const { name, bdf, description, group } = this.device;
    const attachedDomain = translation ? this.attached() : 'none';
    const lane = laneOf[attachedDomain];
    const known = attachedDomain !== 'none' && attachedDomain !== 'blocked';
    return {
      name,
      bdf,
      description: lane === 'passthrough' ? `${description}; ${SILENT}` : description,
      group,
      owner: 'host',
      driver: this.driver,
      defaultDomain: translation ? this.defaultType : 'none',
      attachedDomain,
      lane,
      did: known ? this.did : null,
      pageBytes: known && lane !== 'passthrough' ? this.pageBytes : null,
      translationType: null,
      virtualIommu: null,
      emulated: false,
      untrusted: false,
      counts: deviceCounts(this.tally),
      rates,
      latency: null,
      reach: null,
    };
  }

  private attached(): DomainType {
    if (this.claimed === 'blocked' || this.claimed === 'unmanaged') return this.claimed;
    const { passes, defaultType } = this;
    if (passes === true || (passes === null && defaultType === 'identity')) return 'identity';
    // In an identity group only a domain of its own making translates, and the trace does not name it.
    return defaultType === 'identity' ? this.translatedType : defaultType;
  }

  private context(high: string, low: string): void {
    const words = `${high} ${low}`;
    if (words === this.lastContext) return;
    this.lastContext = words;
    const { TT, DID } = contextEntry.decode(bigToWords((BigInt(high) << 64n) | BigInt(low), 4));
    this.passes = Number(TT) === TranslationType.PASS_THROUGH;
    this.found(Number(DID));
  }

  private found(did: number): void {
    this.did = did;
    this.domains.add(did);
  }
}
