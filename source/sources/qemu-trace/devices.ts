/** The devices of a trace: those placed on QEMU's command line, and those that were seen to do DMA. */
import { bdf } from '../../vtd/source-id.ts';
import { groupFacts } from './phase.ts';
import type { Trace } from './trace.ts';

export type TraceDevice = {
  readonly name: string;
  readonly sourceId: number;
  /** `00:03.0`. */
  readonly bdf: string;
  readonly description: string;
  /** The driver that Linux has for such a device; null if none is known. */
  readonly driver: string | null;
  /** Null where no phase says it. */
  readonly group: number | null;
};

type Model = { readonly name: string; readonly description: string; readonly driver: string | null };

const models: Readonly<Record<string, Model>> = {
  nvme: { name: 'nvme', description: 'NVMe disk', driver: 'nvme' },
  'virtio-blk-pci': { name: 'virtio-blk', description: 'virtio disk', driver: 'virtio-pci' },
  'virtio-net-pci': { name: 'virtio-net', description: 'virtio network card', driver: 'virtio-pci' },
  e1000e: { name: 'e1000e', description: 'Intel network card', driver: 'e1000e' },
  e1000: { name: 'e1000', description: 'Intel network card', driver: 'e1000' },
  edu: { name: 'edu', description: 'QEMU device for teaching', driver: null },
};

/** In the order of the command line, then by address. */
export function devicesOf({ command, entries }: Trace): readonly TraceDevice[] {
  const placed = new Map(command?.devices.map(({ sourceId, model }) => [sourceId, model]));
  const seen = new Set<number>();
  const groups = new Map<number, number>();
  for (const { event } of entries) {
    switch (event.kind) {
      // The host bridge and its like also have an address space, but do no DMA.
      case 'context':
      case 'lookup':
      case 'translation':
      case 'passed':
      case 'fault':
        seen.add(event.sourceId);
        break;
      case 'phase': {
        const facts = groupFacts(event.phase);
        if (facts !== null) groups.set(facts.sourceId, facts.group);
      }
    }
  }
  const others = [...seen].filter((id) => !placed.has(id)).sort((a, b) => a - b);
  const sourceIds = [...placed.keys(), ...others];
  const found = sourceIds.map((sourceId) => ({ sourceId, model: modelOf(placed.get(sourceId), sourceId) }));
  const isOnly = (name: string) => found.filter(({ model }) => model.name === name).length === 1;
  return found.map(({ sourceId, model }) => ({
    ...model,
    name: isOnly(model.name) ? model.name : `${model.name}-${bdf(sourceId)}`,
    sourceId,
    bdf: bdf(sourceId),
    group: groups.get(sourceId) ?? null,
  }));
}

function modelOf(model: string | undefined, sourceId: number): Model {
  if (model === undefined) {
    return { name: bdf(sourceId), description: 'device not on the command line of QEMU', driver: null };
  }
  const name = model.replace(/-pci$/, '');
  return Object.hasOwn(models, model) ? models[model] : { name, description: `QEMU ${model}`, driver: null };
}
