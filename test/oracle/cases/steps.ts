/** Steps of made-up cases: requests, and changes of tables with the invalidation that each needs. */
import type { Case, Step, UnitWords } from '../../../source/conformance/case-file.ts';
import {
  type Change,
  contextInvalidations,
  entryInvalidations,
  registerSteps,
  rootInvalidations,
} from './changes.ts';
import { contextValue, rootValue } from './context.ts';
import type { Descriptor } from './descriptors.ts';
import { contextAddress, deviceIds, LEVELS, type Tables } from './memory.ts';
import { addressOf } from './requests.ts';
import { entryValue, indices, ROOT, table } from './tables.ts';

type Request = Extract<Step, { op: 'dma' }>;

export type Choice =
  | { readonly do: 'step'; readonly step: Step }
  | { readonly do: 'change'; readonly change: Change }
  /** A request before a change and the same after it, to where the change matters. */
  | { readonly do: 'probe'; readonly change: Change; readonly request: Request };

/** The steps of the choices. Keeps what the tables hold, as the right invalidation depends on it. */
export function stepsOf(unit: UnitWords, start: Tables, choices: readonly Choice[]): Case['steps'] {
  const entries = start.entries.map((levels) =>
    Object.fromEntries(LEVELS.map((level) => [level, [...levels[level]]])),
  );
  const contexts = [...start.contexts];
  let queueIsOn = false;

  /** Once the queue is on, the registers do nothing any more. */
  const invalidate = (descriptors: readonly Descriptor[], queued: boolean): Step[] => {
    if (descriptors.length === 0) return [];
    if (!queued && !queueIsOn) return descriptors.flatMap(registerSteps);
    queueIsOn = true;
    return [{ op: 'qi', descriptors }];
  };

  const applied = (found: Change): Step[] => {
    if (found.what === 'root') {
      const address = ROOT + 16 * found.bus;
      return [
        { op: 'poke', address, qwords: rootValue(found.root, found.bus) },
        ...invalidate(rootInvalidations, found.queued),
      ];
    }
    const covering = found.reach === 'none' ? 'least' : found.reach;
    const mayGoWithout = found.reach === 'none' && !unit.cachingMode;
    if (found.what === 'context') {
      const index = deviceIds.indexOf(found.device);
      const before = contexts[index];
      contexts[index] = found.context;
      const descriptors =
        mayGoWithout && !before.present ? [] : contextInvalidations(found, before, covering);
      return [
        { op: 'poke', address: contextAddress(found.device), qwords: contextValue(found.context) },
        ...invalidate(descriptors, found.queued),
      ];
    }
    const { domain, level, slot } = found;
    const before = entries[domain][level][slot];
    entries[domain][level][slot] = found.entry;
    const wasAbsent = (entryValue(before, domain, level) & 3n) === 0n;
    const wasPage = before.kind !== 'table' && before.kind !== 'absent';
    const address = table(domain, level) + 8 * indices[level][slot];
    return [
      { op: 'poke', address, qwords: [entryValue(found.entry, domain, level)] },
      ...invalidate(
        mayGoWithout && wasAbsent ? [] : entryInvalidations(found, wasPage, covering),
        found.queued,
      ),
    ];
  };

  /** The request, led to where the change is: its address below the entry, its device one of the domain. */
  const aimed = (change: Change, request: Request): Request => {
    if (change.what === 'root')
      return { ...request, device: deviceIds.find((id) => id >> 8 === change.bus)! };
    if (change.what === 'context') return { ...request, device: change.device };
    const user = contexts.findIndex(({ domain }) => domain === change.domain);
    const path = [4, 3, 2, 1].map((level) => Number((request.address >> BigInt(3 + 9 * level)) & 0x1ffn));
    path[4 - change.level] = indices[change.level][change.slot];
    return { ...request, device: deviceIds[Math.max(user, 0)], address: addressOf(path) };
  };

  return choices.flatMap((found): Step[] => {
    if (found.do === 'step') return [found.step];
    if (found.do === 'change') return applied(found.change);
    const before = aimed(found.change, found.request);
    const change = applied(found.change);
    return [before, ...change, { op: 'clearFaults' }, aimed(found.change, found.request)];
  });
}
