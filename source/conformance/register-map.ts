/** The registers that cases may name, and where they lie. */
import { Offset } from '../vtd/unit/registers.ts';
import type { registerNames } from './case-file.ts';

type Place = { readonly offset: number; readonly bytes: 4 | 8 };

const narrow = (offset: number): Place => ({ offset, bytes: 4 });
const wide = (offset: number): Place => ({ offset, bytes: 8 });

/** IVA and IOTLB lie at ECAP.IRO and the fault record at CAP.FRO: both as in every unit that QEMU makes. */
const INVALIDATE = 0xf0;
const FAULT_RECORD = 0x220;

const map: Readonly<Record<(typeof registerNames)[number], Place>> = {
  VER: narrow(Offset.VER),
  CAP: wide(Offset.CAP),
  ECAP: wide(Offset.ECAP),
  GCMD: narrow(Offset.GCMD),
  GSTS: narrow(Offset.GSTS),
  RTADDR: wide(Offset.RTADDR),
  CCMD: wide(Offset.CCMD),
  FSTS: narrow(Offset.FSTS),
  FECTL: narrow(Offset.FECTL),
  IQH: wide(Offset.IQH),
  IQT: wide(Offset.IQT),
  IQA: wide(Offset.IQA),
  ICS: narrow(Offset.ICS),
  IVA: wide(INVALIDATE),
  IOTLB: wide(INVALIDATE + 8),
  FRCDLO: wide(FAULT_RECORD),
  FRCDHI: wide(FAULT_RECORD + 8),
};

/** Where a register lies in the unit's window, and how long it is. */
export const registerPlace = (name: string): Place => (map as Readonly<Record<string, Place>>)[name];

export const isWide = (name: string): boolean => registerPlace(name).bytes === 8;
