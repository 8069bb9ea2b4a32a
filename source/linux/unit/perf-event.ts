/** Events in the words of `perf stat -e`: `iotlb_lookup,filter_domain=5`, or `dmar0/iotlb_lookup/`. */

import { performanceEvents } from '../../vtd/performance/performance-events.ts';
import { parseBdf } from '../../vtd/source-id.ts';
import type { UnitDescription } from '../../vtd/unit/capabilities.ts';
import { claimsOf } from '../../vtd/unit/capabilities.ts';
import { nearest } from '../nearest.ts';
import { type PerfFilters, perfFilterNames } from './performance-monitoring.ts';

export type PerfEvent = {
  /** As it was typed. */
  readonly text: string;
  readonly name: string;
  readonly filters: PerfFilters;
};

/** What is wrong with an event, in a sentence for people. */
export class BadPerfEvent extends Error {}

const PREFIX = 'filter_';
/** Values of filters, as wide as their formats in sysfs. */
const LARGEST: Readonly<Record<keyof PerfFilters, number>> = {
  requester_id: 0xffff,
  domain: 0xffff,
  pasid: 0xf_ffff,
  ats: 0x1f,
  page_table: 0x1f,
};

/**
 * Read an event for a unit.
 *
 * @throws BadPerfEvent for what does not exist, or what this unit does not count
 */
export function readPerfEvent(text: string, unit: UnitDescription): PerfEvent {
  const [name, ...terms] = text.replace(/^dmar0\/(.*)\/$/, '$1').split(',');
  const known = performanceEvents.map((event) => event.name);
  const event = performanceEvents.find((candidate) => candidate.name === name);
  if (event === undefined) throw new BadPerfEvent(`no event ${shown(name)}${meant(name, known)}`);
  if (claimsOf(unit).ecap.PMS === 0) {
    throw new BadPerfEvent(
      `unit ${unit.name} has no performance counters (ECAP.PMS is 0); --unit server has`,
    );
  }
  if (event.counter === null) throw new BadPerfEvent(`unit ${unit.name} does not advertise ${name}`);
  return { text, name, filters: Object.fromEntries(terms.map(readFilter)) };
}

function readFilter(term: string): [keyof PerfFilters, number] {
  const [word, text = ''] = term.split('=');
  const name = perfFilterNames.find((candidate) => `${PREFIX}${candidate}` === word);
  if (name === undefined) {
    const words = perfFilterNames.map((candidate) => PREFIX + candidate);
    throw new BadPerfEvent(`no filter ${shown(word)}${meant(word, words)}`);
  }
  const device = name === 'requester_id' ? parseBdf(text) : null;
  const value = device ?? (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN);
  if (value <= LARGEST[name]) return [name, value];
  throw new BadPerfEvent(
    `${word}: expected a number from 0 to 0x${LARGEST[name].toString(16)}; got ${shown(text)}`,
  );
}

const meant = (word: string, valid: readonly string[]): string => {
  const near = nearest(word, valid);
  return near === null ? `; expected one of ${valid.join(', ')}` : `. Did you mean ${near}?`;
};

const shown = (text: string): string => (text === '' ? 'nothing' : `"${text.slice(0, 60)}"`);
