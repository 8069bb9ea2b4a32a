/** What the way of an address through the tables says about a write there now. */
import { expect, test } from 'vitest';
import type { TablePath } from '../../source/simulation/snapshot.ts';
import { LAZY, PASSTHROUGH, STRICT, session, type } from '../support/session.ts';

function pathAfter(boot: string, commands: string): TablePath {
  const of = session(boot);
  type(of, `workload all stop; ${commands}`);
  of.focus = { view: 'tables', device: 'nic0', address: null };
  return of.snapshot().tables!;
}

const USED = 'map nic0; dma nic0 write buffer; unmap nic0; open tables nic0 buffer';

test('a page that is unmapped but not invalidated is refused by the tables and still reached', () => {
  const of = session(LAZY);
  type(of, `workload all stop; ${USED}`);
  const { outcome, fault, stale, address } = of.snapshot().tables!;
  expect({ outcome, fault }).toEqual({ outcome: 'blocked', fault: 5 });
  expect(stale).not.toBeNull();

  type(of, `dma nic0 write ${address}`);
  expect(type(of, `expect nic0.dma.output = ${stale}`)).toMatchObject({ ok: true });
});

test('strict invalidation leaves nothing to be reached', () => {
  const of = session(STRICT);
  type(of, `workload all stop; ${USED}`);
  expect(of.snapshot().tables).toMatchObject({ outcome: 'blocked', fault: 5, stale: null });
});

test('an entry that says pass-through and is refused is explained by the refusal', () => {
  expect(pathAfter(PASSTHROUGH, '')).toMatchObject({ outcome: 'passed' });
  expect(pathAfter(PASSTHROUGH, 'entry nic0 context AW=001b')).toMatchObject({
    outcome: 'blocked',
    ends: 'context entry is programmed wrongly',
  });
});
