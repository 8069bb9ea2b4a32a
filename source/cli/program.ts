/** All commands of the command line, and what holds for each of them. */
import { Command as Program } from 'commander';
import { unexpected } from '../commands/words.ts';
import { addBoot } from './boot.ts';
import { addCompare } from './compare.ts';
import { addConform } from './conform.ts';
import { addDashboard } from './dashboard.ts';
import { addDecode } from './decode.ts';
import { addDemo } from './demo.ts';
import { addExperiment } from './experiment.ts';
import { addExplain } from './explain.ts';
import { addInspect } from './inspect.ts';
import { addNotes } from './notes.ts';
import { addReplay } from './replay.ts';
import { addRun } from './run.ts';
import { addSweep } from './sweep.ts';
import { sayUsageErrors } from './usage-errors.ts';

const EXAMPLES = `
Examples:
  dmascope                                                   the dashboard; ? shows its keys
  dmascope --boot "intel_iommu=on iommu.strict=1" --paused
  dmascope run --boot "iommu=on" --exec "dma nic0 write 0x1000000 64"
  dmascope replay recording.trace.gz
  dmascope demo claims
  dmascope explain nic0 0x1000000 --write
  dmascope boot "iommu=on iommu=pt"
  dmascope inspect /sys/kernel/debug/iommu/intel/dmar_translation_struct
  dmascope decode context-entry 0x2b6a001 0x202`;

export function buildProgram(): Program {
  const program = new Program('dmascope')
    .description(
      'A live-simulated Intel VT-d IOMMU in your terminal: what intel_iommu=on and iommu=pt really do.',
    )
    .version(process.env.DMASCOPE_VERSION ?? 'development')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride()
    .helpCommand('help [command]', 'how a command is used');
  program.addHelpText('after', EXAMPLES);
  addDashboard(program);
  addInspect(program);
  addRun(program);
  addCompare(program);
  addSweep(program);
  addReplay(program);
  addConform(program);
  addDecode(program);
  addExperiment(program);
  addDemo(program);
  addNotes(program);
  addExplain(program);
  addBoot(program);
  sayUsageErrors(program);
  return program;
}

/** A first word that is neither an option nor a command: commander would only count it as one too many. */
export function checkCommandWord(program: Program, word: string | undefined): void {
  const commands = [...program.commands.map((command) => command.name()), 'help'];
  if (word === undefined || word.startsWith('-') || commands.includes(word)) return;
  program.error(unexpected('a command', word, commands));
}
