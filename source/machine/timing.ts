/**
 * How long things take. A first-order model: each figure is a parameter with its source; queueing at the
 * walkers and on the link is not modelled yet.
 */
export type Timing = {
  /** CPU clock, cycles per nanosecond: the machine of the cost table, Xeon E3-1220 at 3.1 GHz. */
  readonly cyclesPerNs: number;
  /** A translation found in the IOTLB: 2 ns, HyperSIO (ISCA 2020). */
  readonly iotlbHitNs: number;
  /** One memory read of a walk: 100 ns, the illustration of Rubin et al., SOSP 2024. */
  readonly walkReadNs: number;
  /** Requests a device keeps in flight, by which its translation latency is hidden. */
  readonly outstanding: number;
  /** CPU work for a network packet besides the IOMMU, cycles: 1,816, Malka et al., ASPLOS 2015 (recalled). */
  readonly packetCycles: number;
  /** Time between packets of 1514 bytes on a 10 Gb/s wire, with preamble and gap. */
  readonly packetNs: number;
  /** From a fault event to the kernel reading the record: an interrupt and its thread; our choice. */
  readonly faultInterruptNs: number;
  /** How much slower a guest's work is through an emulated device; our choice. */
  readonly emulationFactor: number;
};

export const defaultTiming: Timing = {
  cyclesPerNs: 3.1,
  iotlbHitNs: 2,
  walkReadNs: 100,
  outstanding: 32,
  packetCycles: 1816,
  packetNs: 1230,
  faultInterruptNs: 2000,
  emulationFactor: 8,
};
