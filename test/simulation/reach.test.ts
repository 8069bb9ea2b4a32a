/** How many pages a device can reach, by what decides it. */
import { expect, test } from 'vitest';
import { deviceModels } from '../../source/machine/topology.ts';
import { session, type } from '../support/session.ts';

/** All of memory, in pages of 4 KiB. */
const ALL = 983_040;

function reach(boot: string, ...commands: readonly string[]): Readonly<Record<string, unknown>> {
  const of = session(boot);
  type(of, 'workload all stop');
  for (const each of commands) type(of, each);
  return Object.fromEntries(of.snapshot().devices.map((device) => [device.name, device.reach]));
}

const pages = (mapped: number, stale = 0) => ({ mapped, stale });

test('without translation every device reaches everything', () => {
  for (const { name } of deviceModels) expect(reach('intel_iommu=off')[name], name).toEqual(pages(ALL));
});

test('with iommu=pt the host devices do, and the others do not', () => {
  expect(reach('intel_iommu=on iommu=pt')).toMatchObject({
    nic0: pages(ALL),
    nvme0: pages(ALL),
    gpu0: pages(147_424),
    hba1: pages(90_080),
    tb0: pages(0),
  });
});

test('strict: what is mapped, page by page', () => {
  const strict = 'intel_iommu=on iommu.strict=1';
  expect(reach(strict, 'map nic0 3', 'dma nic0 write buffers')).toMatchObject({ nic0: pages(3) });
  expect(reach(strict, 'map nic0 3', 'dma nic0 write buffers', 'unmap nic0')).toMatchObject({
    nic0: pages(2),
  });
  expect(reach(strict, 'map nic0 1 2097152')).toMatchObject({ nic0: pages(512) });
});

test('lazy: also what was unmapped, as long as the IOTLB has it', () => {
  const used = ['map nic0 3', 'dma nic0 write buffers', 'unmap nic0'];
  expect(reach('intel_iommu=on', ...used)).toMatchObject({ nic0: pages(2, 1) });
  // Never used, so never cached.
  expect(reach('intel_iommu=on', 'map nic0 3', 'unmap nic0')).toMatchObject({ nic0: pages(2) });
});

test('nothing behind a context entry that is not present, whatever the domain says', () => {
  expect(reach('intel_iommu=on iommu=pt', 'entry nic0 context P=0')).toMatchObject({ nic0: pages(0) });
  expect(reach('intel_iommu=on iommu=pt', 'device nic0 blocked')).toMatchObject({ nic0: pages(0) });
});
