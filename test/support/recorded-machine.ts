/** The machine of the recorded runs, simulated: its functions and its unit. */
import { defaultBuild, type KernelBuild } from '../../source/linux/boot/policy.ts';
import { presets } from '../../source/vtd/unit/capabilities.ts';
import { HandClock, Host, pciFunction } from './host.ts';
import { TIMER_HZ } from './recording/recorded-clock.ts';
import { bootLines, type RunName } from './recording/recorded-run.ts';

export const recordedFunctions = [
  pciFunction('00:00.0'),
  pciFunction('00:03.0', { driver: 'nvme' }),
  pciFunction('00:04.0', { driver: 'virtio-pci' }),
  pciFunction('00:05.0', { driver: 'e1000e' }),
  pciFunction('00:06.0', { driver: 'virtio-pci' }),
  pciFunction('00:08.0'),
  pciFunction('00:1f.0', { multifunction: true, acs: 0, pciClass: 'ISA bridge' }),
  pciFunction('00:1f.2', { multifunction: true, acs: 0 }),
  pciFunction('00:1f.3', { multifunction: true, acs: 0 }),
];

export const recordedHost = (line: string, build?: KernelBuild): Host =>
  new Host(line, { unit: presets.qemu, functions: recordedFunctions, build });

/** Debian's kernel turns the IOMMU on by itself, but not scalable mode. */
const debian: KernelBuild = { ...defaultBuild, intelIommuDefaultOn: true, scalableModeDefaultOn: false };

/** The machine of a run as it has booted, with a clock in hand or that of a recording. */
export const hostOf = (run: RunName, clock = new HandClock()): Host =>
  new Host(bootLines[run], {
    clock,
    timerHz: TIMER_HZ,
    unit: run === 'sm-on' ? presets['qemu-scalable'] : presets.qemu,
    functions: recordedFunctions,
    build: debian,
  });
