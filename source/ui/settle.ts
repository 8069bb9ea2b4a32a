/** What a new snapshot changes in the selection, without anybody pressing a key. */
import type { Command } from '../commands/command.ts';
import { experimentIds } from '../commands/experimenting.ts';
import type { Snapshot } from '../simulation/snapshot.ts';
import type { Scene } from './scene.ts';
import type { Action } from './selection.ts';
import { bootLines } from './views/boot-log.ts';
import { viewNamed } from './views/index.ts';

export function settle(scene: Scene): readonly Action[] {
  const { selection, snapshot } = scene;
  const actions: Action[] = [];
  const { log } = selection;
  if (log !== null && !log.started && (snapshot.notice?.id ?? 0) > log.notice) {
    // The reboot was carried out, or refused; a refusal is told by its notice.
    const started = snapshot.notice?.ok === true && snapshot.dmesg.length > 0;
    actions.push({ do: 'log', log: started ? { ...log, started: true, lines: 1 } : null });
  }
  const { file } = selection;
  if (file !== null && !file.started && (snapshot.notice?.id ?? 0) > file.notice) {
    const started = snapshot.notice?.ok === true && !!snapshot.inspected;
    actions.push({ do: 'file', file: started ? { ...file, started: true } : null });
  }
  const { demo } = snapshot;
  if (demo != null && demo.entered !== selection.entered) {
    const notice = snapshot.notice?.id ?? null;
    return [{ do: 'scene', entered: demo.entered, focus: demo.focus, notice }];
  }
  const change = viewNamed(selection.view).settle?.(scene);
  if (change) actions.push({ do: 'choose', change });
  return actions;
}

const newest = { transaction: null, kept: null, step: null, sought: null } as const;

/** What the screen itself does when it sends a command. */
export function consequences(command: Command, snapshot: Snapshot): readonly Action[] {
  if (command.name === 'boot') {
    const log = { notice: snapshot.notice?.id ?? 0, started: false, lines: 0 };
    return [
      { do: 'log', log },
      { do: 'choose', change: { ...newest, since: 0 } },
    ];
  }
  if (command.name === 'device') {
    // What a device did before it was flipped says nothing about where its requests go now.
    return [{ do: 'choose', change: { ...newest, address: null, level: null, since: snapshot.timeNs } }];
  }
  if (command.name === 'inspect' && command.path !== null) {
    return [{ do: 'file', file: { notice: snapshot.notice?.id ?? 0, started: false, from: 0, across: 0 } }];
  }
  if (command.name === 'experiment' && command.experiment !== null && command.as === 'run') {
    return [
      {
        do: 'go',
        view: 'experiments',
        change: { cursors: { experiments: experimentIds.indexOf(command.experiment) } },
      },
    ];
  }
  if (command.name === 'compare' && command.line !== null) return [{ do: 'go', view: 'compare' }];
  if (command.name !== 'dma') return [];
  const { device, address } = command;
  return [{ do: 'choose', change: { ...newest, device, sought: { device, address } } }];
}

/** How long the whole log stays after its last line, counted in lines. */
const linger = 14;

/** One more line of the kernel log; null when it has been there long enough. */
export function nextLogLine({ selection, snapshot }: Scene): Action | null {
  const { log } = selection;
  if (log === null || !log.started) return null;
  const all = bootLines(snapshot.dmesg).length;
  return { do: 'log', log: log.lines >= all + linger ? null : { ...log, lines: log.lines + 1 } };
}
