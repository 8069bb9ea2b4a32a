import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BadShard, isIn, shardFile, shardOf } from '../../source/sweep/shard.ts';

test('parts of a sweep do not overlap and leave nothing out', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(200), (count, point) => {
      const parts = Array.from({ length: count }, (_, i) => ({ index: i + 1, count }));
      expect(parts.filter((part) => isIn(part, point))).toHaveLength(1);
    }),
  );
});

test('without a shard a machine does all points', () => {
  expect(shardOf(null, {})).toBeNull();
  expect(isIn(null, 17)).toBe(true);
});

const slurm = { SLURM_ARRAY_TASK_ID: '30', SLURM_ARRAY_TASK_MIN: '10', SLURM_ARRAY_TASK_STEP: '10' };

test.each([
  ['what is said', '2/8', {}, { index: 2, count: 8 }],
  ['what is said, whatever the environment', '2/8', { SLURM_ARRAY_TASK_ID: '5' }, { index: 2, count: 8 }],
  ['a Slurm array', null, { ...slurm, SLURM_ARRAY_TASK_COUNT: '4' }, { index: 3, count: 4 }],
  [
    'a Slurm array from 0',
    null,
    { SLURM_ARRAY_TASK_ID: '0', SLURM_ARRAY_TASK_COUNT: '2' },
    { index: 1, count: 2 },
  ],
  ['an indexed Kubernetes job', '/4', { JOB_COMPLETION_INDEX: '3' }, { index: 4, count: 4 }],
])('the part to do comes from %s', (_, text, environment, shard) => {
  expect(shardOf(text, environment)).toEqual(shard);
});

test.each([
  ['0/3', {}, '--shard 0/3: expected a number from 1 to 3, got 0'],
  ['4/3', {}, '--shard 4/3: expected a number from 1 to 3, got 4'],
  ['two', {}, 'expected a shard such as 2/8, or /8 in a batch job; got "two"'],
  ['/3', {}, '--shard /3 leaves the number to a Slurm array or an indexed Kubernetes job; this is neither'],
  [
    null,
    { JOB_COMPLETION_INDEX: '3' },
    'JOB_COMPLETION_INDEX is set: add --shard /n with the completions of the job',
  ],
  ['/2', { JOB_COMPLETION_INDEX: '3' }, 'the Kubernetes job index 3: expected a number from 1 to 2, got 4'],
])('shard %j with %j is refused', (text, environment, message) => {
  expect(() => shardOf(text, environment)).toThrow(new BadShard(message));
});

test('the results of a part have the part in their name', () => {
  expect(shardFile('x.ndjson', { index: 2, count: 8 })).toBe('x.2-of-8.ndjson');
  expect(shardFile('results', { index: 2, count: 8 })).toBe('results.2-of-8');
  expect(shardFile('x.ndjson', null)).toBe('x.ndjson');
});
