/** Where a device's requests land, in badge, words and colour. */
import type { DeviceState, DomainType, Lane } from '../simulation/snapshot.ts';
import { absent, bytes } from './format.ts';
import type { Token } from './theme/tokens.ts';

const badges: Readonly<Record<Lane, string>> = {
  off: absent,
  passthrough: 'PT',
  translated: 'DMA',
  guest: 'VM',
  blocked: 'BLK',
};

export const badge = (lane: Lane): string => badges[lane];

export const laneToken = (lane: Lane): Token => lane;

const domainWords: Readonly<Record<DomainType, string>> = {
  identity: 'identity',
  DMA: 'strict',
  'DMA-FQ': 'lazy',
  unmanaged: 'guest',
  nested: 'nested',
  blocked: 'blocked',
  none: 'none',
};

/** What the badge leaves open about a domain. */
export const domainWord = (domain: DomainType): string => domainWords[domain];

export function domainText(device: DeviceState): string {
  if (device.emulated) return 'emulated';
  if (device.virtualIommu !== null) return device.virtualIommu;
  if (device.lane === 'guest') return device.pageBytes === null ? 'guest' : bytes(device.pageBytes);
  return domainWord(device.attachedDomain);
}

export const ownerText = ({ owner }: DeviceState): string => (owner === 'none' ? 'nobody' : owner);

/** Attached to a domain, and yet every request it makes is refused: it reaches nothing, or asks for nothing that is mapped. */
export function isRefused({ lane, reach, rates, counts }: DeviceState): boolean {
  if (lane === 'off' || lane === 'blocked') return false;
  if (reach !== null && reach.mapped + reach.stale === 0) return true;
  const { faults, requests } = rates.requests > 0 ? rates : counts;
  return faults > 0 && faults >= 0.98 * requests;
}

/** A device in passthrough has no IOTLB to hit. */
export const isTranslated = (lane: Lane): boolean => lane === 'translated' || lane === 'guest';
