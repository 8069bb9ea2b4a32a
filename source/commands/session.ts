/**
 * A simulation that people drive: running or paused, at some speed, with a log of the commands since boot.
 * Its options and that log replay it exactly.
 */

import { experimentUnit } from '../experiments/host.ts';
import { defaultBuild } from '../linux/boot/policy.ts';
import { rebooting } from '../linux/real-twin.ts';
import { KernelRefusal } from '../linux/refusal.ts';
import { BENCHMARK_DEVICE } from '../machine/benchmarks/benchmark.ts';
import type { MachineOptions } from '../machine/machine.ts';
import { COLUMN_NS, Simulation } from '../simulation/simulation.ts';
import type { Focus, Inspected, MeasuredRow, Notice, RunState, Snapshot } from '../simulation/snapshot.ts';
import { snapshotOf } from '../simulation/state.ts';
import { presets } from '../vtd/unit/capabilities.ts';
import { carryOut } from './apply.ts';
import { addressFor } from './buffers.ts';
import type { Command } from './command.ts';
import { check, type Expectation } from './expect/check.ts';
import { type Moment, parseQuantity } from './expect/expression.ts';
import { countsOf } from './expect/values.ts';
import { Experimenting, setupOf } from './experimenting.ts';
import { asCarriedOut } from './flip.ts';
import { readKernelFile } from './inspect.ts';
import { Refused, type Result } from './result.ts';
import { speedAfter, speedChanged } from './speed.ts';

/** One command and when it came; times and counts start again at each boot. */
export type LogEntry = {
  readonly timeNs: number;
  /** Actions of the simulation before it: several may share a time. */
  readonly executed: number;
  readonly command: Command;
};

/** Lines of a file that the screen gets. */
const MOST_LINES = 2000;

/** While time runs as fast as it goes, a chart column is as long as at 64 times. */
const LONGEST_COLUMN = 64;

export class Session {
  simulation: Simulation;
  state: RunState = 'running';
  /** Simulated milliseconds a second on the wall. */
  speed = 1;
  notice: Notice | null = null;
  /** The file of the kernel that is looked at, as it was when it was asked for. */
  inspected: Inspected | null = null;
  /** The experiment that runs beside this machine, or ran last; whoever lets time pass measures its points. */
  experimenting: Experimenting | null = null;
  focus: Focus = { view: 'overview', device: null, address: null };
  /** Commands since boot that changed the machine, or tried to. */
  readonly log: LogEntry[] = [];
  /** The machine this one is compared with, or null. It keeps up with this one's time and gets the same commands. */
  other: Session | null = null;
  /** What was expected, and whether it was so, since somebody last emptied this. */
  expectations: Expectation[] = [];
  /** What was measured since somebody last emptied this. */
  measured: MeasuredRow[] = [];
  /** Why the last command was refused; empty if it was not. */
  refusal = '';
  /** Counts at the last `mark`; none since boot. */
  private since: ReadonlyMap<string, number> = new Map();
  /** Where a `run` with a duration ends, or null. */
  runUntil: number | null = null;
  private options: MachineOptions;
  private nextNotice = 1;

  constructor(options: MachineOptions) {
    this.options = options;
    this.simulation = new Simulation(options);
  }

  /** The options that the machine last booted with. */
  get bootOptions(): MachineOptions {
    return this.options;
  }

  /** Carry out a command; what came of it is the notice. */
  apply(command: Command): Notice {
    const { now: timeNs, executed } = this.simulation;
    let done = command;
    this.simulation.guard(() => {
      try {
        const { text, linux } = this.dispatch(command);
        this.notice = { id: this.nextNotice++, ok: true, text, linux };
        done = asCarriedOut(command, this.simulation.machine);
      } catch (error) {
        if (!(error instanceof Refused || error instanceof KernelRefusal)) throw error;
        const errno = error instanceof KernelRefusal ? ` (${error.errno})` : '';
        this.refuse(`${error.message}${errno}`);
      }
    });
    if (command.name !== 'expect' && command.name !== 'measure')
      this.refusal = this.notice?.ok === false ? this.notice.text : '';
    if (this.simulation.halted !== null) this.noticeHalt();
    if (changesMachine(command)) {
      // Refused ones too: a driver may have been unbound and bound again for nothing, and a kernel may panic on one.
      this.log.push({ timeNs, executed, command: done });
      this.other?.apply(done);
    }
    this.other?.simulation.advance(this.simulation.now);
    return this.notice as Notice;
  }

  /** Tell why something was not done, or goes on no more. */
  refuse(text: string): void {
    this.notice = { id: this.nextNotice++, ok: false, text, linux: [] };
  }

  /** Let simulated time go on to a moment; stops by itself where `run` with a duration ends. */
  advance(until: number): void {
    const end = this.runUntil === null ? until : Math.min(until, this.runUntil);
    const wasHalted = this.simulation.halted;
    this.simulation.advance(end);
    if (this.simulation.halted !== null && wasHalted === null) this.noticeHalt();
    this.other?.simulation.advance(this.simulation.now);
    if (this.runUntil !== null && this.simulation.now >= this.runUntil) this.pause();
  }

  /** Do again what a log says, up to a moment. */
  replay(log: readonly LogEntry[], until: number): void {
    for (const { timeNs, executed, command } of log) {
      this.simulation.advanceTo(executed, timeNs);
      this.apply(command);
    }
    this.simulation.advance(until);
  }

  snapshot(): Snapshot {
    const { simulation, state, speed, notice, focus, inspected } = this;
    const other = focus.view === 'compare' ? (this.other?.snapshot() ?? null) : null;
    const experiment = focus.view === 'experiments' ? (this.experimenting?.state ?? null) : null;
    return snapshotOf(simulation, { state, speed, notice, focus, other, inspected, experiment });
  }

  private dispatch(command: Command): Result {
    switch (command.name) {
      case 'boot':
        return this.reboot({ ...this.options, boot: command.line });
      case 'kernel': {
        const { version, defaultOn } = command;
        const build = { ...(this.options.build ?? defaultBuild), version, intelIommuDefaultOn: defaultOn };
        return this.reboot({ ...this.options, build });
      }
      case 'unit':
        return this.reboot({
          ...this.options,
          unit: presets[command.unit],
          parameters: command.set,
          benchmark: undefined,
        });
      case 'compare':
        return this.compareWith(command.line);
      case 'pause':
        this.pause();
        return { text: 'Paused.', linux: [] };
      case 'run':
        this.state = 'running';
        this.runUntil = command.forNs === null ? null : this.simulation.now + command.forNs;
        this.simulation.journal.detail = false;
        return { text: 'Running.', linux: [] };
      case 'step':
        this.pause();
        this.simulation.step(command.count);
        return {
          text: `Went on by ${command.count} DMA ${command.count === 1 ? 'request' : 'requests'}.`,
          linux: [],
        };
      case 'speed':
        this.setSpeed(speedAfter(this.speed, command.factor));
        return { text: speedChanged(this.speed), linux: [] };
      case 'mark':
        this.since = countsOf(this.simulation);
        return { text: 'Changes count from here.', linux: [] };
      case 'expect':
        return this.expect(command.expression);
      case 'measure':
        return this.measure(command);
      case 'open':
        return this.open(command);
      case 'inspect':
        return this.inspect(command.path);
      case 'experiment':
        return this.experiment(command);
      case 'scene':
      case 'demo':
        throw new Refused('no demo plays here: dmascope demo plays one');
      default:
        return carryOut(this.simulation, command);
    }
  }

  /** Boot anew with these options, as if nothing had been done before. */
  restart(options: MachineOptions): void {
    this.options = options;
    this.simulation = new Simulation(options);
    this.setSpeed(this.speed);
    this.simulation.journal.detail = this.state !== 'running';
    this.log.length = 0;
    this.since = new Map();
    this.refusal = '';
    this.runUntil = null;
    if (this.other !== null) this.compareWith(this.other.options.boot);
  }

  private reboot(options: MachineOptions): Result {
    this.restart(options);
    const { boot: line } = options;
    const { policy, settings } = this.simulation.machine.kernel;
    const ignored = settings.words.filter(({ known }) => !known).map(({ text }) => text);
    const warning = ignored.length === 0 ? '' : ` Linux ignored ${ignored.join(' ')}.`;
    const text = policy.translation
      ? `Booted: DMA remapping is on.${warning}`
      : `Booted: DMA remapping is off.${warning}`;
    this.simulation.journal.command('boot', line, policy.reason);
    return { text, linux: rebooting(line) };
  }

  /** Boot another machine beside this one and bring it to where this one is; null: forget it. */
  private compareWith(line: string | null): Result {
    if (line === null) {
      this.other = null;
      return { text: 'One machine again.', linux: [] };
    }
    this.other = new Session({ ...this.options, boot: line });
    for (const { timeNs, command } of this.log) {
      this.other.simulation.advance(timeNs);
      this.other.apply(command);
    }
    return { text: `A second machine has booted with "${line}" and gets the same commands.`, linux: [] };
  }

  private experiment(command: Extract<Command, { name: 'experiment' }>): Result {
    const { experiment: id } = command;
    if (id === null) {
      const running = this.experimenting;
      if (running?.state.state !== 'running') throw new Refused('no experiment runs');
      running.stop();
      return { text: `${running.id} is stopped.`, linux: [] };
    }
    if (command.as === 'live') {
      const { boot, parameters, benchmark, point } = setupOf(id);
      const unit = experimentUnit;
      const { linux } = this.reboot({ seed: this.options.seed, unit, boot, parameters, benchmark });
      const text =
        benchmark === undefined
          ? `Booted as ${id} has it. Its load is none that a device of this machine has; the devices do what they do.`
          : `Booted as ${id} has it: ${BENCHMARK_DEVICE} runs its load, ${point}. The other devices stand still.`;
      return { text, linux };
    }
    this.experimenting?.stop();
    this.experimenting = new Experimenting(id);
    return { text: `${id} runs beside this machine.`, linux: [] };
  }

  private expect(expression: string): Result {
    const expectation = check(expression, this.moment());
    this.expectations.push(expectation);
    if (!expectation.holds) throw new Refused(`expected ${expression}, got ${expectation.got}`);
    return { text: `True: ${expression}.`, linux: [] };
  }

  private measure({ row, columns }: Extract<Command, { name: 'measure' }>): Result {
    const moment = this.moment();
    const values = columns.map(({ heading, value }) => ({
      heading,
      value: parseQuantity(value).read(moment),
    }));
    this.measured.push({ row, values });
    return {
      text: `${row}: ${values.map(({ heading, value }) => `${heading} ${value}`).join(', ')}.`,
      linux: [],
    };
  }

  private moment(): Moment {
    return { simulation: this.simulation, since: this.since, refusal: this.refusal };
  }

  private open({ view, device, address }: Extract<Command, { name: 'open' }>) {
    const name = device ?? this.focus.device;
    const of = this.simulation.machine.find(name ?? '');
    const at = address === null || of === undefined ? address : addressFor(of, address);
    this.focus = { view, device: name, address: at };
    return { text: `Look at ${view}.`, linux: [] };
  }

  private inspect(path: string | null): { text: string; linux: readonly string[] } {
    if (path === null) {
      this.inspected = null;
      return { text: 'Put away.', linux: [] };
    }
    const text = readKernelFile(this.simulation.machine, path);
    const lines = text.replace(/\n$/, '').split('\n');
    const shown = lines.slice(0, MOST_LINES);
    this.inspected = { path, timeNs: this.simulation.now, lines: shown, more: lines.length - shown.length };
    return { text: `This is ${path}.`, linux: [`cat ${path}`] };
  }

  private pause(): void {
    this.state = 'paused';
    this.runUntil = null;
    this.simulation.journal.detail = true;
  }

  private setSpeed(factor: number): void {
    this.speed = factor;
    const scale = Math.min(factor, LONGEST_COLUMN);
    this.simulation.statistics.columnNs = COLUMN_NS * scale;
    this.simulation.journal.sampleNs = 1e6 * scale;
  }

  private noticeHalt(): void {
    this.refuse(`The machine stopped: ${this.simulation.halted}. b boots it again.`);
  }
}

/** Commands that a replay needs; pausing and speed do not change what the machine does. */
const changesMachine = ({ name }: Command): boolean =>
  ![
    'boot',
    'unit',
    'kernel',
    'compare',
    'pause',
    'run',
    'step',
    'speed',
    'expect',
    'measure',
    'open',
    'inspect',
    'experiment',
    'scene',
    'demo',
  ].includes(name);
