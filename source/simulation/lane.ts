import type { DomainType, Lane } from './snapshot.ts';

/** The way of a device's DMA that follows from the domain attached to it. */
export const laneOf: Readonly<Record<DomainType, Lane>> = {
  none: 'off',
  identity: 'passthrough',
  DMA: 'translated',
  'DMA-FQ': 'translated',
  unmanaged: 'guest',
  nested: 'guest',
  blocked: 'blocked',
};
