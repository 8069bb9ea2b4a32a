/** The registers of the unit that a trace tells about. */
import { hexOf } from '../../vtd/bits.ts';
import { Global, Offset } from '../../vtd/unit/registers.ts';
import type { TraceEvent } from './event.ts';

/** Bits of GCMD that stay as they were written; the others are commands that GSTS keeps as done. */
const PERSISTENT = Global.TE | Global.QIE | Global.IRE | Global.CFI;
const DONE = Global.SRTP | Global.SIRTP;

export class UnitFold {
  gsts = 0;
  rtaddr = '0x0';
  scalable = false;
  /** When translation was turned on first and off last; null if never. */
  onNs: number | null = null;
  offNs: number | null = null;

  get translation(): boolean {
    return (this.gsts & Global.TE) !== 0;
  }

  /** Whether translation was turned on or off by it. */
  add(event: TraceEvent, timeNs: number): boolean {
    const before = this.translation;
    if (event.kind === 'command') {
      this.gsts = (event.value & PERSISTENT) | ((event.status | event.value) & DONE);
    } else if (event.kind === 'enable') {
      this.gsts = event.on ? this.gsts | Global.TE : this.gsts & ~Global.TE;
    } else if (event.kind === 'root') {
      this.rtaddr = event.address;
      this.scalable = event.scalable;
    } else if (event.kind === 'register' && event.write && event.offset === Offset.RTADDR) {
      this.rtaddr = event.value ?? this.rtaddr;
    }
    if (before === this.translation) return false;
    if (this.translation) this.onNs ??= timeNs;
    else this.offNs = timeNs;
    return true;
  }

  /** CAP and ECAP are read by Linux, but QEMU does not print what came. */
  registers() {
    return { translation: this.translation, gsts: hexOf(0, this.gsts), rtaddr: this.rtaddr };
  }
}
