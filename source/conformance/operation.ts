/**
 * The few things that software and devices do to a machine with an IOMMU. A case becomes a list of them, so that
 * exactly the same is done to the simulated unit and to any other.
 */
import type { Transfer } from './case-file.ts';

export type Operation =
  | {
      readonly kind: 'write register';
      readonly offset: number;
      readonly bytes: 4 | 8;
      readonly value: bigint;
    }
  | { readonly kind: 'read register'; readonly offset: number; readonly bytes: 4 | 8 }
  | { readonly kind: 'write memory'; readonly address: number; readonly qwords: readonly bigint[] }
  | { readonly kind: 'read memory'; readonly address: number }
  | {
      readonly kind: 'dma';
      readonly device: number;
      readonly transfer: Transfer;
      readonly address: bigint;
      readonly length: number;
    };

/** Whether an operation answers with a value. */
export const answers = ({ kind }: Operation): boolean => kind === 'read register' || kind === 'read memory';
