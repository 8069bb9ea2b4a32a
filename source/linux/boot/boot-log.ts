/** What Linux prints about the IOMMU while it boots, in its words and order. */
import type { Capabilities } from '../../vtd/unit/capabilities.ts';
import type { KernelLog } from '../log/kernel-log.ts';
import type { PciFunction } from '../pci.ts';
import { isSince, type KernelVersion } from '../version.ts';
import type { BootSettings } from './boot-line.ts';
import type { Policy } from './policy.ts';

const tableAddress = (value: number): string => `0x${value.toString(16).padStart(14, '0')}`;

/** Lines about the command line, the ACPI DMAR table and the units in it. */
export function logTables(
  log: KernelLog,
  settings: BootSettings,
  unit: Capabilities,
  unitBase: number,
  functions: readonly PciFunction[],
): void {
  // Once when it is found, with what early parameters print, and once when the others are read.
  log.boot(0, `Command line: ro ${settings.line}`.trimEnd());
  for (const message of settings.messages.early) log.boot(0.0011, message);
  log.boot(0.0042, `Kernel command line: ro ${settings.line}`.trimEnd());
  for (const message of settings.messages.late) log.boot(0.0042, message);
  log.boot(0.0312, `DMAR: Host address width ${unit.hostAddressWidth}`);
  log.boot(0.0312, `DMAR: DRHD base: ${tableAddress(unitBase)} flags: 0x1`);
  const version = `${unit.version >>> 4}:${unit.version & 15}`;
  const capabilities = `cap ${unit.cap.toString(16)} ecap ${unit.ecap.toString(16)}`;
  log.boot(0.0313, `DMAR: dmar0: reg_base_addr ${unitBase.toString(16)} ver ${version} ${capabilities}`);
  for (const { start, end } of functions.flatMap((fn) => fn.reserved)) {
    log.boot(0.0314, `DMAR: RMRR base: ${tableAddress(start)} end: ${tableAddress(end)}`);
  }
  // Firmware lists all root ports (ALL_PORTS) where the unit knows device TLBs; below others Linux enables no ATS.
  if (unit.deviceTlb) log.boot(0.0314, 'DMAR: ATSR flags: 0x1');
}

/**
 * The lines about interrupt remapping: `drivers/iommu/intel/irq_remapping.c`, `arch/x86/kernel/apic/apic.c`.
 *
 * @param table null where interrupts are not remapped
 */
export function logInterruptRemapping(
  log: KernelLog,
  table: { readonly isX2apic: boolean } | null,
  unitBase: number,
): void {
  if (table === null) return log.boot(0.0592, NO_X2APIC);
  // Two blanks, as Linux prints them.
  log.boot(0.0588, `DMAR-IR: IOAPIC id 2 under DRHD base  0x${unitBase.toString(16)} IOMMU 0`);
  if (table.isX2apic)
    log.boot(0.0589, 'DMAR-IR: Queued invalidation will be enabled to support x2apic and Intr-remapping.');
  else log.boot(0.0589, 'DMAR-IR: dmar0 does not support EIM');
  log.boot(0.0591, `DMAR-IR: Enabled IRQ remapping in ${table.isX2apic ? 'x2apic' : 'xapic'} mode`);
  log.boot(0.0592, table.isX2apic ? 'x2apic enabled' : NO_X2APIC);
}

const NO_X2APIC = "x2apic: IRQ remapping doesn't support X2APIC mode";

/** Lines about the default domain; Linux prints them whether or not the IOMMU is used. */
export function logPolicy(log: KernelLog, policy: Policy, version: KernelVersion): void {
  const { announced, messages, typeSetByCommandLine, strictSetByCommandLine } = policy;
  for (const message of messages.early) log.boot(0.2803, message);
  // Older kernels leave a blank where nothing follows.
  const nothing = isSince(version, '6.5') ? '' : ' ';
  const from = (byCommandLine: boolean) => (byCommandLine ? ' (set via kernel command line)' : nothing);
  const isIdentity = announced.defaultType === 'identity';
  const type = isIdentity ? 'Passthrough' : 'Translated';
  log.boot(0.2803, `iommu: Default domain type: ${type}${from(typeSetByCommandLine)}`);
  if (isIdentity || !isSince(version, '5.15')) return;
  const mode = announced.strict ? 'strict' : 'lazy';
  log.boot(0.2804, `iommu: DMA domain TLB invalidation policy: ${mode} mode${from(strictSetByCommandLine)}`);
}

/** Lines about a unit that is put to use. */
export function logUnit(
  log: KernelLog,
  functions: readonly PciFunction[],
  { deviceTlb, queuedInvalidation }: Capabilities,
  version: KernelVersion,
): void {
  if (functions.every((fn) => fn.reserved.length === 0)) log.boot(0.308, 'DMAR: No RMRR found');
  if (!deviceTlb) log.boot(0.3081, 'DMAR: No ATSR found');
  if (isSince(version, '5.12')) log.boot(0.3082, 'DMAR: No SATC found');
  log.boot(0.3083, `DMAR: dmar0: Using ${queuedInvalidation ? 'Queued' : 'Register based'} invalidation`);
}
