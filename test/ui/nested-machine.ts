/** A machine in scalable mode as the screen sees it: hba1 behind the IOMMU of a guest, nested in the host's. */
import type { Session } from '../../source/commands/session.ts';
import type { Snapshot } from '../../source/simulation/snapshot.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { session, type } from '../support/session.ts';

const quiet = ['nic0', 'nvme0', 'gpu0', 'hba1', 'usb0', 'tb0']
  .map((name) => `workload ${name} stop`)
  .join('; ');

function machine(): Session {
  const running = session('intel_iommu=on', { unit: presets.server });
  type(running, `pause; ${quiet}; device hba1 guest B viommu; workload hba1 stop; map hba1 1`);
  return running;
}

function looking(view: string, device: string, address: string | null = null, below: string | null = null) {
  const running = machine();
  type(running, 'dma hba1 write buffer 64; map nic0 1; dma nic0 write buffer 64; dma hba1 write 0x100000 64');
  running.focus = { view, device, address, below };
  // What came of the last command would take rows from the views.
  return { ...running.snapshot(), notice: null };
}

/** The first page that a driver maps. */
const IOVA = '0xfffff000';
/** The guest's page behind it, and its top table's first entry. */
export const GUEST_PAGE = '0x200000';
export const nestedTables: Snapshot = looking('tables', 'hba1', IOVA);
export const belowNestedTables: Snapshot = looking('tables', 'hba1', IOVA, GUEST_PAGE);
export const firstStageTables: Snapshot = looking('tables', 'nic0', IOVA);
export const nestedDma: Snapshot = looking('dma', 'hba1');
export const scalableFaults: Snapshot = looking('faults', 'hba1');

/** The transaction of the write that was walked, and its step with a stage and level. */
export function walkedStep(stage: string, level: number, guestLevel: number | null) {
  const found = nestedDma.transactions.find(({ outcome }) => outcome === 'walked');
  if (found === undefined) throw new Error('hba1 walked no tables');
  const at = found.steps.findIndex(
    (step) =>
      step.stage === stage &&
      step.level === level &&
      (guestLevel === null || step.guest?.level === guestLevel),
  );
  return { transaction: found.id, kept: found, step: at < 0 ? null : at } as const;
}
