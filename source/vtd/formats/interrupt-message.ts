/**
 * Interrupt messages: a write of 32 bits of data to an address in 0xfeex_xxxx, as a device or the IOAPIC sends it.
 * VT-d specification, chapter 5.1.2; the compatibility format is that of the Intel SDM, volume 3, chapter 11.11.
 */
import { deliveryModes } from './interrupt-remapping-entry.ts';
import { bit, bits, ignored, type Layout, layout } from './layout.ts';

const SOURCE = 'VT-d chapter 5.1.2';
const SDM = 'VT-d chapter 5.1.2.1 and Intel SDM volume 3, chapter 11.11';

const destinationModes = { values: { 0: 'physical', 1: 'logical' } };
const triggerModes = { values: { 0: 'edge', 1: 'level' } };
const format = bit(4, 'format', { values: { 0: 'compatibility', 1: 'remappable' } });
const base = bits(31, 20, 'always 0xfee');

/** The address in bits 31:0, the data in bits 63:32. */
export const remappableMessage = layout('interrupt message, remappable', 64, SOURCE, {
  base,
  handleLow: bits(19, 5, 'handle, bits 14:0'),
  format,
  SHV: bit(3, 'sub-handle valid', { values: { 0: 'the data is no sub-handle', 1: 'the data is added' } }),
  handleHigh: bit(2, 'handle, bit 15'),
  low: ignored(1, 0),
  subHandle: bits(47, 32, 'sub-handle'),
});

/** Likewise. What the SDM reserves and processors do not look at is called ignored here. */
export const compatibilityMessage = layout('interrupt message, compatibility', 64, SDM, {
  base,
  DST: bits(19, 12, 'destination'),
  middle: ignored(11, 5),
  format,
  RH: bit(3, 'redirection hint'),
  DM: bit(2, 'destination mode', destinationModes),
  low: ignored(1, 0),
  V: bits(39, 32, 'vector'),
  DLM: bits(42, 40, 'delivery mode', { values: deliveryModes }),
  between: ignored(45, 43),
  level: bit(46, 'level', { values: { 0: 'deassert', 1: 'assert' } }),
  TM: bit(47, 'trigger mode', triggerModes),
  high: ignored(63, 48),
});

export const IS_REMAPPABLE = 1 << remappableMessage.fields.format.shift;

/** The format of a message given its address. */
export const messageLayout = (address: number): Layout =>
  (address & IS_REMAPPABLE) !== 0 ? remappableMessage : compatibilityMessage;

/** The entry that a remappable message names: handle and, where there is one, sub-handle. */
export function indexOfMessage(address: number, data: number): number {
  const { handleLow, handleHigh, SHV } = remappableMessage.fields;
  const handle =
    ((address >>> handleLow.shift) & handleLow.mask) | (((address >>> handleHigh.shift) & 1) << 15);
  return ((address >>> SHV.shift) & 1) !== 0 ? handle + (data & 0xffff) : handle;
}

/** Redirection-table entry of an IOAPIC, 64 bits. */
const rteFields = {
  V: bits(7, 0, 'vector; with an index, what the processor answers to a level interrupt with'),
  status: bit(12, 'delivery status', { values: { 0: 'idle', 1: 'pending' } }),
  polarity: bit(13, 'polarity', { values: { 0: 'active high', 1: 'active low' } }),
  IRR: bit(14, 'remote IRR'),
  TM: bit(15, 'trigger mode', triggerModes),
  mask: bit(16, 'mask', { values: { 0: 'enabled', 1: 'masked' } }),
} as const;

export const remappableRte = layout('IOAPIC redirection entry, remappable', 64, SOURCE, {
  ...rteFields,
  zero: bits(10, 8, 'always 0'),
  indexHigh: bit(11, 'index, bit 15'),
  format: bit(48, 'format', { values: { 0: 'compatibility', 1: 'remappable' } }),
  indexLow: bits(63, 49, 'index, bits 14:0'),
});

export const compatibilityRte = layout('IOAPIC redirection entry, compatibility', 64, SDM, {
  ...rteFields,
  DLM: bits(10, 8, 'delivery mode', { values: deliveryModes }),
  DM: bit(11, 'destination mode', destinationModes),
  format: bit(48, 'format', { values: { 0: 'compatibility', 1: 'remappable' } }),
  DST: bits(63, 56, 'destination'),
});

const RTE_REMAPPABLE = 1 << remappableRte.fields.format.shift;

/** The format of a redirection entry given its upper word. */
export const rteLayout = (hi: number): Layout =>
  (hi & RTE_REMAPPABLE) !== 0 ? remappableRte : compatibilityRte;

export type InterruptMessage = { readonly address: number; readonly data: number };

/**
 * The message that an IOAPIC sends for a redirection entry, given as two halves: it copies bits 63:48 and 11 into the
 * address whatever the format, so that an index arrives as a handle and a destination as a destination.
 */
export function messageOfRte(hi: number, lo: number): InterruptMessage {
  const address = 0xfee0_0000 | ((hi >>> 16) << 4) | (((lo >>> 11) & 1) << 2);
  return { address: address >>> 0, data: lo & 0x87ff & ~(1 << 11) };
}

/** The message by which a device asks for an entry of the remapping table. */
export function messageFor(index: number, subHandle: number | null = null): InterruptMessage {
  const [address, data] = remappableMessage.encode({
    base: 0xfee,
    handleLow: index & 0x7fff,
    handleHigh: index >>> 15,
    format: 1,
    SHV: subHandle === null ? 0 : 1,
    subHandle: subHandle ?? 0,
  });
  return { address: address >>> 0, data };
}

/** The message that names a vector and a processor itself. */
export function compatibilityMessageFor(vector: number, destination: number): InterruptMessage {
  const [address, data] = compatibilityMessage.encode({ base: 0xfee, DST: destination, V: vector });
  return { address: address >>> 0, data };
}
