/** The simulated PC around the unit. */
import { choice, count, figure } from './declaration.ts';

export const machineParameters = {
  cpus: count('CPUs', {
    meaning: 'CPUs of the PC; the driver of each device runs on one of them, in turn',
    default: 4,
    most: 64,
    source: 'our choice',
  }),
  'nic.packetNs': figure('ns', {
    meaning: 'time between packets on the wire of nic0',
    default: 1230,
    least: 1,
    most: 1e9,
    source: '1514 bytes with preamble and gap at 10 Gb/s',
  }),
  'fault.interruptNs': figure('ns', {
    meaning: 'from a fault event to the kernel reading the record: an interrupt and its thread',
    default: 2000,
    most: 1e9,
    source: 'our choice',
  }),
  'deviceTlb.timeoutMs': figure('ms', {
    meaning: 'how long the unit waits for a device that does not answer an invalidation of its TLB',
    default: 60_000,
    least: 0.001,
    most: 1e6,
    source: 'PCI Express gives devices a minute, and half of one more (chapter 10.3.1)',
  }),
  'nic.interruptNs': figure('ns', {
    meaning: 'least time between two interrupts of nic0: its moderation',
    default: 50_000,
    least: 1,
    most: 1e9,
    source: '20,000 a second, as drivers of 10 Gb/s cards allow under load; our choice',
  }),
  'interrupt.notifyNs': figure('ns', {
    meaning: 'from the notification of a posted interrupt to the processor reading the descriptor',
    default: 500,
    most: 1e9,
    source: 'our choice',
  }),
  'guest.emulationFactor': figure('', {
    meaning: "how much slower a guest's work is through an emulated device",
    default: 8,
    least: 1,
    most: 1000,
    source: 'our choice',
  }),
  'guest.exitNs': figure('ns', {
    meaning: 'how long a guest waits until its hypervisor has taken up an invalidation of its IOMMU',
    default: 5000,
    most: 1e9,
    source: 'our choice: an exit to user space and back',
  }),
  'pc.pciBus': choice(['no', 'yes'], {
    meaning:
      'the PC has a PCI bus behind a bridge of PCI Express, and on it snd0, a sound card that reaches 256 MiB',
    default: 'no',
    source: 'our choice: as PCs had them until about 2015',
  }),
  'vfio.memlockMiB': count('MiB', {
    meaning:
      'how much memory a program may pin for its devices: RLIMIT_MEMLOCK of QEMU, or of a process with a driver',
    default: 8192,
    least: 0,
    most: 2 ** 24,
    source: 'our choice: enough; libvirt sets it to the RAM of the guest and 1 GiB',
  }),
} as const;
