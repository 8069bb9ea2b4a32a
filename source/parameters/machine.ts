/** The simulated PC around the unit. */
import { count, figure } from './declaration.ts';

export const machineParameters = {
  'walk.readNs': figure('ns', {
    meaning: 'one memory read of a walk',
    default: 100,
    most: 1e6,
    source: 'Rubin et al., SOSP 2024, an illustration there',
  }),
  'read.outstanding': count('requests', {
    meaning: 'requests a device keeps in flight, by which its translation latency is hidden',
    default: 32,
    most: 65_536,
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
  'guest.emulationFactor': figure('', {
    meaning: "how much slower a guest's work is through an emulated device",
    default: 8,
    least: 1,
    most: 1000,
    source: 'our choice',
  }),
} as const;
