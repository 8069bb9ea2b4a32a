/** What a command that flips something came to, so that a log and a second machine do the same and not the opposite. */
import type { Device } from '../machine/devices/device.ts';
import type { Machine } from '../machine/machine.ts';
import type { Command } from './command.ts';

/** @param command one that was just carried out on this machine */
export function asCarriedOut(command: Command, machine: Machine): Command {
  if (!('to' in command) || command.to !== 'flip') return command;
  // Of all devices the first that can be flipped speaks for the others.
  const device =
    command.device === 'all' ? machine.devices.find(isHosts(machine)) : machine.find(command.device);
  if (device === undefined) return command;
  const { defaultType } = machine.kernel.device(device.model.sourceId);
  switch (command.name) {
    case 'device':
      return { ...command, to: defaultType === 'identity' ? 'passthrough' : 'translated' };
    case 'invalidation':
      return { ...command, to: defaultType === 'DMA' ? 'strict' : 'lazy' };
    case 'workload':
      return { ...command, to: device.workload === null ? 'stop' : 'start' };
  }
}

/** Whether a driver of the host has a trusted device, so that its domain can be chosen. */
export const isHosts =
  ({ kernel }: Machine) =>
  ({ guest, model }: Device): boolean => {
    const { claimed, fn } = kernel.device(model.sourceId);
    return guest === null && !claimed && !fn.untrusted;
  };
