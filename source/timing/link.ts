/**
 * A PCI Express link: how long a packet occupies it. Both directions are independent; packets go in order.
 * Overheads of a transaction-layer packet as in Neugebauer et al., SIGCOMM 2018 (pcie-model).
 */

export type LinkTimes = {
  /** Payload and headers, bits per nanosecond in each direction. */
  readonly gbps: number;
  readonly maxPayload: number;
  readonly readRequestBytes: number;
  /** Bytes around the payload of a write, of a read request and of a completion with data. */
  readonly writeOverhead: number;
  readonly readOverhead: number;
  readonly completionOverhead: number;
};

/** GT/s of a lane by generation, less what the encoding takes: 8b/10b, then 128b/130b. */
const LANE_GBPS = [0, 2.5 * 0.8, 5 * 0.8, (8 * 128) / 130, (16 * 128) / 130, (32 * 128) / 130] as const;

/** Gb/s of a link in each direction. */
export const rawGbps = (generation: number, lanes: number): number => LANE_GBPS[generation] * lanes;

/** One direction of a link. */
export class Lane {
  /** When the last packet is through. */
  private freeAt = 0;

  /** Send a packet as soon as the link is free. Returns how long it had to wait. */
  send(now: number, occupancyNs: number): number {
    const start = Math.max(now, this.freeAt);
    this.freeAt = start + occupancyNs;
    return start - now;
  }
}

export class Link {
  readonly upstream = new Lane();
  readonly downstream = new Lane();
  readonly times: LinkTimes;
  /** How long a byte occupies a direction. */
  private readonly byteNs: number;

  constructor(times: LinkTimes) {
    this.times = times;
    this.byteNs = 8 / times.gbps;
  }

  /** How long a write occupies the way to the root complex. */
  writeNs(bytes: number): number {
    const { maxPayload, writeOverhead } = this.times;
    return this.byteNs * (bytes + writeOverhead * packets(bytes, maxPayload));
  }

  /** How long a read request does. */
  readRequestNs(bytes: number): number {
    const { readRequestBytes, readOverhead } = this.times;
    return this.byteNs * readOverhead * packets(bytes, readRequestBytes);
  }

  /** How long the data of a read occupy the way back. */
  completionNs(bytes: number): number {
    const { maxPayload, completionOverhead } = this.times;
    return this.byteNs * (bytes + completionOverhead * packets(bytes, maxPayload));
  }
}

const packets = (bytes: number, most: number): number => (bytes <= most ? 1 : Math.ceil(bytes / most));
