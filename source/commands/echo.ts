/** `echo … > …`: what a shell's user does with the files of the simulated kernel, as root. */
import { KernelRefusal } from '../linux/refusal.ts';
import type { Device } from '../machine/devices/device.ts';
import type { Simulation } from '../simulation/simulation.ts';
import { bdf } from '../vtd/source-id.ts';
import { missingFile } from './inspect.ts';
import { quoted } from './printable.ts';
import type { Result } from './result.ts';

/**
 * Write a word to a file.
 *
 * @throws KernelRefusal with Linux's errno, or Refused where there is no such file
 */
export function echo(simulation: Simulation, text: string, path: string): Result {
  const { machine, journal } = simulation;
  const driverFile = /^\/sys\/bus\/pci\/drivers\/([^/]+)\/(unbind|bind)$/.exec(path);
  if (driverFile !== null) bindOrUnbind(simulation, text, driverFile[1], driverFile[2] === 'bind');
  else if (!machine.kernel.files().write(path, text)) throw missingFile(machine, path);
  const line = `echo ${text} > ${path}`;
  journal.command('echo', '', `${text} > ${path}`);
  return { text: `Written: ${text} to ${path}.`, linux: [line] };
}

/** `bind_store` and `unbind_store` of drivers/base/bus.c. */
function bindOrUnbind({ machine }: Simulation, name: string, driver: string, isBind: boolean): void {
  const device = machine.devices.find(({ model }) => `0000:${bdf(model.sourceId)}` === name);
  const bound = device === undefined ? null : machine.kernel.device(device.model.sourceId).driver;
  const fits = device !== undefined && (isBind ? machine.hostDriver(device) : bound) === driver;
  if (!fits) {
    const what = isBind ? `${driver} drives no ${quoted(name)}` : `${quoted(name)} is not bound to ${driver}`;
    throw new KernelRefusal('ENODEV', what);
  }
  if (isBind && (bound !== null || machine.kernel.device(device.model.sourceId).claimed))
    throw new KernelRefusal('EBUSY', `${name} has a driver already`);
  if (isBind) machine.bind(device);
  else machine.unbind(device);
}

/** A named device whose driver somebody unbound. */
export const lacksDriver = ({ machine }: Simulation, device: Device): boolean => {
  const { driver, claimed } = machine.kernel.device(device.model.sourceId);
  return device.guest === null && !claimed && driver === null && machine.hostDriver(device) !== null;
};
