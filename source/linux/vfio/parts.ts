/** What the files of VFIO and iommufd work on. */
import type { CpuMeter } from '../dma-api/cpu-cost.ts';
import type { DeviceTable } from '../domains/device-table.ts';
import type { DomainFactory } from '../domains/domain-factory.ts';
import type { UnitDriver } from '../unit/unit-driver.ts';
import type { KernelVersion } from '../version.ts';

export type VfioParts = {
  readonly devices: DeviceTable;
  readonly domains: DomainFactory;
  readonly driver: UnitDriver;
  readonly meter: CpuMeter;
  readonly version: KernelVersion;
  readonly interruptRemapping: boolean;
  /** `allow_unsafe_interrupts` of vfio_iommu_type1, and of iommufd. */
  readonly allowUnsafeInterrupts: boolean;
  readonly allowUnsafeInterruptsOfIommufd: boolean;
  /** `enable_unsafe_noiommu_mode` of vfio. */
  readonly unsafeNoIommuMode: boolean;
  say(text: string): void;
};

/** A program as the kernel knows it. */
export type UserProcess = {
  /** At most 15 characters. */
  readonly comm: string;
  readonly pid: number;
  /** RLIMIT_MEMLOCK, in bytes. */
  readonly lockLimit: number;
  /** Bytes that it has pinned. */
  locked: number;
};
