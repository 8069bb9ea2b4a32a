/** The comments that mark where the recorded machine entered a phase of its script. */
import type { DefaultType } from '../../linux/boot/policy.ts';
import { parseBdf } from '../../vtd/source-id.ts';

export type Phase = {
  /** `dd-nvme-read`, `type identity`, `vfio-load edu 0000:00:08.0 group 5 type DMA-FQ`. */
  readonly name: string;
  /** Nanoseconds since QEMU was started, or null. */
  readonly startNs: number | null;
  /** Lines in the whole phase; null if not said. */
  readonly lines: number | null;
  /** Of these, in the file. */
  readonly kept: number | null;
};

/** `# phase NAME … host_t=9.8s lines=768 kept=600`; null for any other comment. */
export function parsePhase(comment: string): Phase | null {
  const match = /^# phase (.+)$/.exec(comment);
  if (match === null) return null;
  const facts = new Map<string, string>();
  const words = match[1].split(/\s+/).filter((word) => {
    const fact = /^(host_t|lines|kept)=(.*)$/.exec(word);
    if (fact !== null) facts.set(fact[1], fact[2]);
    return fact === null;
  });
  const lines = whole(facts.get('lines'));
  const start = /^(\d{1,7}(?:\.\d{1,9})?)s$/.exec(facts.get('host_t') ?? '');
  return {
    name: words.join(' '),
    startNs: start === null ? null : Math.round(Number(start[1]) * 1e9),
    lines,
    kept: whole(facts.get('kept')) ?? lines,
  };
}

const whole = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;

export type GroupFacts = { readonly sourceId: number; readonly group: number; readonly type: DefaultType };

/** What a name such as `nic-unbind 0000:00:05.0 group 3 type DMA-FQ` says about a device; or null. */
export function groupFacts({ name }: Phase): GroupFacts | null {
  const match = /(?:^| )([0-9a-f:.]+) group (\d{1,5}) type (DMA-FQ|DMA|identity)(?: |$)/i.exec(name);
  const sourceId = match === null ? null : parseBdf(match[1]);
  if (match === null || sourceId === null) return null;
  return { sourceId, group: Number(match[2]), type: match[3] as DefaultType };
}

/** The type that a phase such as `type identity` writes to sysfs, or null. */
export function typeWritten({ name }: Phase): DefaultType | null {
  const match = /^type (DMA-FQ|DMA|identity)$/.exec(name);
  return match === null ? null : (match[1] as DefaultType);
}
