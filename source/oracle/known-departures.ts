/**
 * Where QEMU is known to answer differently from the specification, so that a difference means something. Each has
 * a name, a reason, and a test of whether it is what made two answers differ; `fixtures/conformance/departures.json`
 * holds a case for each.
 */
import type { Departure } from './departures/departure.ts';
import { queueDepartures } from './departures/queue.ts';
import { registerDepartures } from './departures/registers.ts';
import { scalableDepartures } from './departures/scalable.ts';
import { translationDepartures } from './departures/translation.ts';

export const knownDepartures: readonly Departure[] = [
  ...translationDepartures,
  ...scalableDepartures,
  ...queueDepartures,
  ...registerDepartures,
];
