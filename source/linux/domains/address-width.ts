/** How wide the addresses of a domain are: `drivers/iommu/intel/iommu.c`, __iommu_calculate_sagaw. */
import type { Capabilities } from '../../vtd/unit/capabilities.ts';

export const FOUR_LEVELS = 4;
export const FIVE_LEVELS = 5;

/** AW codes that the first stage can have, as bits like those of SAGAW. */
const firstStageWidths = ({ fiveLevelFirstStage }: Capabilities): number =>
  (1 << (FOUR_LEVELS - 2)) | (fiveLevelFirstStage ? 1 << (FIVE_LEVELS - 2) : 0);

/** The AW code that Linux uses throughout a unit: the largest that each stage in use has. Levels are two more. */
export function adjustedWidth(unit: Capabilities, isScalable: boolean): number {
  let widths = unit.sagaw;
  if (isScalable && unit.firstStage)
    widths = unit.secondStage ? widths & firstStageWidths(unit) : firstStageWidths(unit);
  return 31 - Math.clz32(widths);
}
