/** Sessions for tests: short to make, easy to ask. */
import { parseCommands } from '../../source/commands/parse.ts';
import { Session } from '../../source/commands/session.ts';
import type { MachineOptions } from '../../source/machine/machine.ts';
import { report } from '../../source/output/report.ts';
import type { DeviceState } from '../../source/simulation/snapshot.ts';

export const LAZY = 'intel_iommu=on';
export const STRICT = 'intel_iommu=on iommu.strict=1';
export const PASSTHROUGH = 'intel_iommu=on iommu=pt';

export const session = (boot: string, options: Partial<MachineOptions> = {}): Session =>
  new Session({ boot, seed: 42, ...options });

/** Carry out commands as they are typed; returns what came of the last one. */
export function type(on: Session, text: string): { ok: boolean; text: string } {
  const { commands, error } = parseCommands(text);
  if (error !== null) throw new Error(error);
  let last = { ok: true, text: '' };
  for (const command of commands) last = on.apply(command);
  return last;
}

export function device(of: Session, name: string): DeviceState {
  const found = of.snapshot().devices.find((state) => state.name === name);
  if (found === undefined) throw new Error(`no device ${name}`);
  return found;
}

export const jsonOf = (of: Session): string => JSON.stringify(report(of), null, 1);

/** A number that stands for all that is in memory. */
export function memoryHash(of: Session): number {
  const { memory } = of.simulation.machine;
  const pages = memory['pages' as never] as Int32Array[];
  let hash = 0x811c_9dc5 | 0;
  pages.forEach((page, index) => {
    if (page === pages[pages.length - 1]) return;
    let sum = index;
    for (const word of page) sum = Math.imul(sum ^ word, 0x0100_0193);
    hash = Math.imul(hash ^ sum, 0x0100_0193);
  });
  return hash;
}
