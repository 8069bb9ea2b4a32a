/** What usually leads to a fault, and where to look on a real machine. */
import { Fault, isInterruptFault } from '../../vtd/faults/fault-reason.ts';

const unmapped = [
  'the driver used the buffer after its unmap (with strict invalidation at once, with lazy up to 10 ms later)',
  'the address never came from the DMA API: a physical address, or a stray one',
  'firmware still uses the device, and its reserved region (RMRR) is not mapped',
  'in a guest: the emulated unit has caching mode and a new mapping was not invalidated',
];
const tables = ['a table was overwritten, or changed without its invalidation'];
const wrongId =
  'the request carries the id of a bridge or of another function (PCIe-to-PCI bridge, phantom function)';

/** By fault reason; those that are not here have no causes of their own. */
const causesOf = new Map<number, readonly string[]>([
  [Fault.ROOT_NOT_PRESENT, ['no device of this bus was ever set up', wrongId]],
  [Fault.CONTEXT_NOT_PRESENT, ['the device was never set up, or its domain was taken away', wrongId]],
  [
    Fault.CONTEXT_INVALID,
    [
      'the entry asks for a width or type that the unit lacks (CAP.SAGAW, ECAP.PT, ECAP.DT)',
      'its top table cannot be read',
      ...tables,
    ],
  ],
  [
    Fault.BEYOND_WIDTH,
    [
      'a stray address, or a descriptor of the device that was overwritten',
      'the tables are narrower than the addresses that the device uses',
    ],
  ],
  [Fault.NO_WRITE, [...unmapped, 'the buffer was mapped for reading only (DMA_TO_DEVICE)']],
  [Fault.NO_READ, [...unmapped, 'the buffer was mapped for writing only (DMA_FROM_DEVICE)']],
  [Fault.PAGING_READ_ERROR, tables],
  [Fault.ROOT_READ_ERROR, ['RTADDR points to no memory', ...tables]],
  [Fault.CONTEXT_READ_ERROR, tables],
  [Fault.ROOT_RESERVED, tables],
  [Fault.CONTEXT_RESERVED, tables],
  [Fault.PAGING_RESERVED, ['a page size that the unit lacks (CAP.SSLPS)', ...tables]],
  [
    Fault.TYPE_BLOCKED,
    ['the device uses ATS, but its context entry does not allow it; pci=noats turns ATS off'],
  ],
  [Fault.INTERRUPT_RANGE, ['a page is mapped to 0xfee00000 to 0xfeefffff']],
  [Fault.BAD_TABLE_MODE, ['the root table was set in a mode that the unit lacks']],
  [0x21, ['the device sends an old or made-up interrupt message']],
  [
    0x22,
    [
      'the interrupt was freed while the device still sends it',
      'the device was not told of its new interrupt after a resume or kexec',
    ],
  ],
  [0x25, ['the device or firmware sends interrupts that were not set up through remapping']],
  [
    0x26,
    ['the interrupt carries the id of a bridge or of another function; intremap=nosid turns the check off'],
  ],
  [0x71, unmapped],
  [0x79, unmapped],
  [0x85, unmapped],
  [0x86, unmapped],
]);

export const likelyCauses = (code: number): readonly string[] => causesOf.get(code) ?? [];

/** @param device `03:00.0`; Linux leaves the segment out of its messages, so the first is taken */
export function whereToLook(code: number, device: string): string[] {
  const sysfs = `/sys/bus/pci/devices/0000:${device}`;
  const debugfs = '/sys/kernel/debug/iommu/intel';
  if (isInterruptFault(code)) {
    return [`lspci -s ${device}`, 'cat /proc/interrupts', `cat ${debugfs}/ir_translation_struct`];
  }
  return [
    `lspci -k -s ${device}`,
    `cat ${sysfs}/iommu_group/type ${sysfs}/iommu_group/reserved_regions`,
    `cat ${debugfs}/dmar_translation_struct`,
    `cat ${debugfs}/0000:${device}/domain_translation_struct`,
  ];
}
