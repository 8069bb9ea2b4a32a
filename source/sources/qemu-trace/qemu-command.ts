/** What the command line of QEMU says about the recorded machine. */

export type QemuDevice = { readonly model: string; readonly sourceId: number };

export type QemuCommand = {
  /** The kernel's command line, whole. */
  readonly kernelLine: string;
  /** The same without words that have nothing to do with devices, such as `console=`. */
  readonly boot: string;
  /** The unit reports CAP.CM, which makes Linux invalidate strictly. */
  readonly cachingMode: boolean;
  /** Devices on bus 0 whose address was chosen on the command line, in its order. */
  readonly devices: readonly QemuDevice[];
};

const elsewhere = /^(console|earlyprintk|loglevel|quiet|panic|root|rootfstype|init|rdinit|ro|rw)(=|$)/;

/** `# qemu-system-x86_64 …`; null for any other comment. */
export function parseQemuCommand(comment: string): QemuCommand | null {
  if (!/^# \S*qemu-system-\S+ /.test(comment)) return null;
  const kernelLine = kernelLineOf(comment);
  const values = deviceValues(comment);
  return {
    kernelLine,
    boot: words(kernelLine)
      .filter((word) => !elsewhere.test(word))
      .join(' '),
    cachingMode: values.some((value) => /^intel-iommu,.*caching-mode=(on|true|yes)/.test(value)),
    devices: values.map(placed).filter((device) => device !== null),
  };
}

/** What follows -append: in quotes, or, where a shell has taken them away, all up to the next option. */
function kernelLineOf(comment: string): string {
  const match = / -append (?:"([^"]*)"|'([^']*)'|(.*?))(?: -[a-z]|$)/.exec(comment);
  return words(match?.[1] ?? match?.[2] ?? match?.[3] ?? '').join(' ');
}

function deviceValues(comment: string): string[] {
  const all = words(comment);
  return all.flatMap((word, i) => (word === '-device' && i + 1 < all.length ? [all[i + 1]] : []));
}

/** A device on another bus has a number that only the guest knows. */
function placed(value: string): QemuDevice | null {
  const [model, ...properties] = value.split(',');
  const bus = properties.find((property) => property.startsWith('bus='));
  if (bus !== undefined && bus !== 'bus=pcie.0') return null;
  const address = /,addr=(?:0x)?([01]?[0-9a-f])(?:\.([0-7]))?(?:,|$)/i.exec(value);
  if (address === null) return null;
  return { model, sourceId: (Number.parseInt(address[1], 16) << 3) | Number(address[2] ?? 0) };
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
