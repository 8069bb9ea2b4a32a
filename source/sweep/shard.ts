/**
 * Which part of a sweep a machine does. Batch systems tell each of their jobs its number; the parts are interleaved, so
 * that each has some of the slow points.
 */

/** The `index`th, from 1, of `count` parts. */
export type Shard = { readonly index: number; readonly count: number };

/** The words that name a part are wrong. */
export class BadShard extends Error {}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The part to do: what `--shard` says, or else a Slurm job array, or an indexed Kubernetes job.
 *
 * @param text `2/8`; or `/8` where the environment knows which of the eight this is
 * @returns null for the whole
 * @throws BadShard
 */
export function shardOf(text: string | null, environment: Environment): Shard | null {
  const asked = text === null ? null : /^(\d*)\/(\d+)$/.exec(text.trim());
  if (text !== null && asked === null)
    throw new BadShard(`expected a shard such as 2/8, or /8 in a batch job; got "${text}"`);
  if (asked !== null && asked[1] !== '')
    return checked(Number(asked[1]), Number(asked[2]), `--shard ${text}`);
  const count = asked === null ? null : Number(asked[2]);
  return slurmShard(environment, count) ?? kubernetesShard(environment, count) ?? unknownJob(text);
}

function slurmShard(environment: Environment, asked: number | null): Shard | null {
  const id = numberIn(environment, 'SLURM_ARRAY_TASK_ID');
  if (id === null) return null;
  // An array may start anywhere and go in steps: --array=10-40:10.
  const first = numberIn(environment, 'SLURM_ARRAY_TASK_MIN') ?? 0;
  const step = numberIn(environment, 'SLURM_ARRAY_TASK_STEP') ?? 1;
  const count = asked ?? numberIn(environment, 'SLURM_ARRAY_TASK_COUNT');
  if (count === null)
    throw new BadShard('SLURM_ARRAY_TASK_ID is set and SLURM_ARRAY_TASK_COUNT is not: add --shard /n');
  return checked(Math.floor((id - first) / step) + 1, count, `the Slurm array task ${id}`);
}

function kubernetesShard(environment: Environment, count: number | null): Shard | null {
  const id = numberIn(environment, 'JOB_COMPLETION_INDEX');
  if (id === null) return null;
  // Kubernetes tells a pod its index, but not how many there are.
  if (count === null)
    throw new BadShard('JOB_COMPLETION_INDEX is set: add --shard /n with the completions of the job');
  return checked(id + 1, count, `the Kubernetes job index ${id}`);
}

function unknownJob(text: string | null): null {
  if (text === null) return null;
  throw new BadShard(
    `--shard ${text} leaves the number to a Slurm array or an indexed Kubernetes job; this is neither`,
  );
}

function checked(index: number, count: number, said: string): Shard {
  if (index >= 1 && index <= count) return { index, count };
  throw new BadShard(`${said}: expected a number from 1 to ${count}, got ${index}`);
}

function numberIn(environment: Environment, name: string): number | null {
  const text = environment[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** Whether a point belongs to a part. */
export const isIn = (shard: Shard | null, point: number): boolean =>
  shard === null || point % shard.count === shard.index - 1;

/** `sweep.ndjson` as `sweep.2-of-8.ndjson`, so that all parts may have the same command line. */
export const shardFile = (file: string, shard: Shard | null): string =>
  shard === null ? file : file.replace(/(\.ndjson)?$/, `.${shard.index}-of-${shard.count}$1`);
