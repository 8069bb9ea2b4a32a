/** A Slurm of its own on this machine, for as long as a test needs it: authentication, controller, one node. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Why no Slurm can be started here, or null. */
export function slurmMissing(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start it';
  const missing = ['munged', 'slurmctld', 'slurmd', 'sbatch'].find((name) => !isThere(name));
  return missing === undefined ? null : `${missing} is not installed`;
}

const isThere = (name: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

export type Slurm = {
  /** Run a job script and wait for its end. */
  submit(script: string, folder: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function startSlurm(): Promise<Slurm> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dmascope-slurm-'));
  chmodSync(folder, 0o755);
  const at = (name: string) => path.join(folder, name);
  for (const name of ['state', 'spool']) mkdirSync(at(name));
  writeFileSync(at('munge.key'), randomBytes(1024), { mode: 0o400 });
  writeFileSync(at('slurm.conf'), configuration(folder));
  const env = { ...process.env, SLURM_CONF: at('slurm.conf') };
  const start = (program: string, ...args: string[]) => execFileSync(program, args, { env, stdio: 'ignore' });

  const stop = async () => {
    for (const name of ['slurmd', 'slurmctld', 'munged']) {
      try {
        process.kill(Number(readFileSync(at(`${name}.pid`), 'utf8')));
      } catch {
        // It never started, or is gone.
      }
      await pause(200);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };

  try {
    const files = ['key-file=munge.key', 'socket=munge.socket', 'pid-file=munged.pid', 'log-file=munged.log'];
    const names = [...files, 'seed-file=munge.seed'].map((each) => `--${each.replace('=', `=${folder}/`)}`);
    start('munged', '--force', '--num-threads=1', ...names);
    start('slurmctld', '-f', at('slurm.conf'));
    start('slurmd', '-f', at('slurm.conf'));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async submit(script, cwd) {
      const batch = spawn('sbatch', ['--wait', script], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      batch.stderr.on('data', (data) => {
        said += data;
      });
      const code = await new Promise((resolve) => batch.on('close', resolve));
      if (code !== 0)
        throw new Error(`sbatch ended with ${code}: ${said}\n${readFileSync(at('slurmctld.log'))}`);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** One node with all cores of this machine; nothing that would ask for control groups or a database. */
function configuration(folder: string): string {
  const host = hostname().split('.')[0];
  return `
ClusterName=dmascope
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${availableParallelism()}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}
