/** E10 to E12: cards so fast that the misses of the IOTLB are the limit. */
import { type BulkLoad, bulkBoot } from '../machine/benchmarks/bulk.ts';
import type { Values } from '../parameters/registry.ts';
import { receiveBulk, transmit } from './bulk.ts';
import { type Check, type Experiment, rounded } from './experiment.ts';

const OFF_GBPS = 185;
const PACKET_BYTES = 1500 * 12_000;

const loadOf = (mtu: number, offeredGbps: number, pages: BulkLoad['pages']): BulkLoad => ({
  mtu,
  offeredGbps,
  pages,
  queues: 32,
  ring: 1024,
  cardBytes: 512 * 1024,
});

const receive = (values: Values, mtu: number, offeredGbps: number, pages: BulkLoad['pages']) =>
  receiveBulk({ values, packets: Math.round(PACKET_BYTES / mtu), ...loadOf(mtu, offeredGbps, pages) });

const setup =
  'Xeon 6346 (Ice Lake), ConnectX-6 200 Gb/s, Linux 5.15, deferred invalidation, 32 queues of 1024 descriptors';

const e10: Experiment = {
  id: 'E10',
  title: 'The IOTLB wall, deferred mode',
  kind: 'gate',
  boot: 'intel_iommu=on',
  setup: `${setup}, MTU 1500; buffers stay mapped and are used again`,
  note: 'The time of a walk is fitted to the wall; where it begins, and the misses, are not.',
  xName: 'offered',
  xUnit: 'Gb/s',
  xRange: [1, 200],
  xStep: 1,
  cases: [
    {
      preset: 'iotlb-wall',
      series: [
        { name: 'throughput', unit: 'Gb/s' },
        { name: 'misses', unit: 'IOTLB misses per MiB' },
        { name: 'dropped', unit: '% of packets' },
      ],
      xs: [50, 100, 130, 150, 185],
      live: {
        boot: bulkBoot['4 KiB'],
        x: 130,
        benchmark: (offered) => ({ kind: 'bulk', ...loadOf(1500, offered, '4 KiB') }),
      },
      measure(offered, values) {
        const { gbps, missesPerMiB, dropped } = receive(values, 1500, offered, '4 KiB');
        return [gbps, missesPerMiB, 100 * dropped];
      },
    },
  ],
  judge: (found) => [
    {
      name: 'below the wall',
      expected: 'what is offered, and nothing dropped',
      found: [50, 100, 130].map((x) => `${rounded(found('throughput', x))} of ${x} Gb/s`).join(', '),
      pass: [50, 100, 130].every(
        (x) => Math.abs(found('throughput', x) / x - 1) < 0.02 && found('dropped', x) === 0,
      ),
    },
    {
      name: 'wall',
      expected: 'throughput past it is the same, whatever is offered, to within 3 %',
      found: [150, 185].map((x) => `${rounded(found('throughput', x))} Gb/s of ${x}`).join(', '),
      pass: Math.abs(found('throughput', 185) / found('throughput', 150) - 1) <= 0.03,
    },
    {
      name: 'past the wall',
      expected: 'drops, which shuffle the buffers and raise the misses',
      found: `${rounded(found('dropped', 185))} % dropped, ${rounded(found('misses', 185))} misses per MiB`,
      pass: found('dropped', 185) > 0 && found('misses', 185) > found('misses', 100),
    },
  ],
};

const MTUS = [1500, 3000, 4500, 6000, 7500, 9000];

const e11: Experiment = {
  id: 'E11',
  title: '4 KiB against 2 MiB mappings at 200 Gb/s',
  kind: 'gate',
  boot: 'intel_iommu=on',
  setup: `${setup}; ${OFF_GBPS} Gb/s offered`,
  xName: 'MTU',
  xUnit: 'B',
  xRange: [256, 9000],
  xStep: 1,
  cases: (['4 KiB', '2 MiB'] as const).map((pages) => ({
    preset: 'iotlb-wall' as const,
    series: [
      { name: `${pages}: misses`, unit: 'IOTLB misses per MiB' },
      { name: `${pages}: loss`, unit: '% of throughput' },
    ],
    xs: MTUS,
    live: {
      boot: bulkBoot[pages],
      x: 1500,
      benchmark: (mtu: number) => ({ kind: 'bulk' as const, ...loadOf(mtu, OFF_GBPS, pages) }),
    },
    measure(mtu: number, values: Values) {
      const { gbps, missesPerMiB } = receive(values, mtu, OFF_GBPS, pages);
      return [missesPerMiB, 100 * Math.max(0, 1 - gbps / OFF_GBPS)];
    },
  })),
  judge(found) {
    const at = (what: string) => MTUS.map((mtu) => found(what, mtu));
    const [small, large] = [at('4 KiB: misses'), at('2 MiB: misses')];
    const losses = [at('4 KiB: loss'), at('2 MiB: loss')];
    const band = (name: string, values: number[], least: number, most: number): Check => ({
      name,
      expected: `${least} to ${most} misses per MiB ± 30 %`,
      found: values.map(rounded).join(', '),
      pass: values.every((value) => value >= 0.7 * least && value <= 1.3 * most),
    });
    return [
      band('4 KiB', small, 385, 490),
      band('2 MiB', large, 35, 85),
      {
        name: 'order',
        expected: '2 MiB pages lose less at every MTU; MTU 1500: 21 % → 4-5 %, others 9-15 % → 0-3 %',
        found: MTUS.map((mtu, i) => `${mtu}: ${rounded(losses[0][i])} → ${rounded(losses[1][i])}`).join(', '),
        pass: MTUS.every((_, i) => losses[1][i] <= losses[0][i] + 0.1 && large[i] < small[i] / 4),
      },
      {
        name: 'loss at MTU 1500 with 4 KiB pages',
        expected: '21 % ± 5 points',
        found: rounded(losses[0][0]),
        pass: Math.abs(losses[0][0] - 21) <= 5,
      },
    ];
  },
};

const e12: Experiment = {
  id: 'E12',
  title: 'Compulsory misses of the transmit path',
  kind: 'gate',
  boot: 'intel_iommu=on',
  setup: `${setup}; sending, with the card cutting segments (TSO) and without`,
  xName: 'MTU',
  xUnit: 'B',
  xRange: [256, 9000],
  xStep: 1,
  cases: [true, false].map((segmentation) => ({
    preset: 'iotlb-wall' as const,
    series: segmentation
      ? [
          { name: 'TSO: misses', unit: 'IOTLB misses per MiB' },
          { name: 'TSO: of data', unit: 'IOTLB misses per MiB' },
        ]
      : [{ name: 'no TSO: misses', unit: 'IOTLB misses per MiB' }],
    xs: segmentation ? [1500, 3000, 9000] : [1500, 9000],
    measure(mtu: number, values: Values) {
      const result = transmit({ values, mtu, segmentation, queues: 32, bytes: 8 * 2 ** 20 });
      return segmentation ? [result.missesPerMiB, result.dataMissesPerMiB] : [result.missesPerMiB];
    },
  })),
  judge: (found) => [
    {
      name: 'floor',
      expected: '256 per MiB exactly: one for each 4 KiB of data in sequence',
      found: rounded(found('TSO: of data', 1500)),
      pass: [1500, 3000, 9000].every((mtu) => found('TSO: of data', mtu) === 256),
    },
    {
      name: 'descriptors, headers, completions',
      expected: '15 to 20 % on top, at every MTU',
      found: [1500, 3000, 9000]
        .map((mtu) => `${rounded(100 * (found('TSO: misses', mtu) / 256 - 1))} %`)
        .join(', '),
      pass: [1500, 3000, 9000].every(
        (mtu) => found('TSO: misses', mtu) / 256 >= 1.15 && found('TSO: misses', mtu) / 256 <= 1.2,
      ),
    },
    {
      name: 'without TSO at MTU 1500',
      expected: 'up to about 1000 per MiB',
      found: rounded(found('no TSO: misses', 1500)),
      pass: found('no TSO: misses', 1500) > 2.5 * 256 && found('no TSO: misses', 1500) <= 1050,
    },
  ],
};

export const iotlbWall: readonly Experiment[] = [e10, e11, e12];
