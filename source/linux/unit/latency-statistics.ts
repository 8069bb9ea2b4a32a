/** How long invalidations take, as `dmar_perf_latency` of debugfs has it: `drivers/iommu/intel/perf.c`. */
import { DescriptorType } from '../../vtd/formats/invalidation-descriptor.ts';

/** What can be measured, in the order of the kernel, by the number that turns it on less one. */
const kinds = ['inv_iotlb', 'inv_devtlb', 'inv_iec', 'svm_prq'] as const;

/** Upper bounds of the buckets in nanoseconds; the last one has none. */
const BOUNDS = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const BUCKETS = ['<0.1us', '0.1us-1us', '1us-10us', '10us-100us', '100us-1ms', '1ms-10ms', '>=10ms'];
const COLUMNS = [...BUCKETS, 'min(us)', 'max(us)', 'average(us)'];

const WIDTH = 12;

type Latencies = { readonly counts: number[]; least: number; most: number; sum: number; samples: number };

export class LatencyStatistics {
  /** By the place of what is measured among the kinds; what is off is not here. */
  private readonly measured = new Map<number, Latencies>();

  /** Start to measure something, 1 to 4; what is measured already goes on. */
  enable(number: number): void {
    if (this.measured.has(number - 1)) return;
    const counts = BUCKETS.map(() => 0);
    this.measured.set(number - 1, { counts, least: Number.POSITIVE_INFINITY, most: 0, sum: 0, samples: 0 });
  }

  /** Forget everything. */
  disable(): void {
    this.measured.clear();
  }

  /** A descriptor of a type was submitted and waited for so long. */
  took(type: number, nanoseconds: number): void {
    const latencies = this.measured.get(kindOf(type));
    if (latencies === undefined) return;
    const bucket = BOUNDS.findIndex((bound) => nanoseconds < bound);
    latencies.counts[bucket < 0 ? BOUNDS.length : bucket]++;
    latencies.least = Math.min(latencies.least, nanoseconds);
    latencies.most = Math.max(latencies.most, nanoseconds);
    latencies.sum += nanoseconds;
    latencies.samples++;
  }

  /** The heading and a line for each thing that is measured; times in whole microseconds, cut. */
  get text(): string {
    // The first column stands above the names as well.
    const heading = COLUMNS.map((name, i) => name.padStart(i === 0 ? 2 * WIDTH : WIDTH)).join('');
    const lines = [...this.measured.keys()]
      .sort((a, b) => a - b)
      .map((kind) => {
        const { counts, least, most, sum, samples } = this.measured.get(kind) as Latencies;
        const times = samples === 0 ? [0, 0, 0] : [least, most, sum / samples];
        const cells = [...counts, ...times.map((time) => Math.floor(time / 1000))];
        return [kinds[kind], ...cells].map((cell) => `${cell}`.padStart(WIDTH)).join('');
      });
    return [heading, ...lines].join('\n');
  }
}

/** Which kind a descriptor belongs to, or -1: page requests have none. */
function kindOf(type: number): number {
  switch (type) {
    case DescriptorType.IOTLB:
    case DescriptorType.PASID_IOTLB:
      return 0;
    case DescriptorType.DEVICE_TLB:
    case DescriptorType.PASID_DEVICE_TLB:
      return 1;
    case DescriptorType.INTERRUPT_ENTRY:
      return 2;
    default:
      return -1;
  }
}
