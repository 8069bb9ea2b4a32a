/** `dmascope explain`: where a DMA lands, or why not, without the dashboard. */
import { Argument, Option, type Command as Program } from 'commander';
import { ask } from '../output/explain.ts';
import { explainedJson, explainedText } from '../ui/explain-text.ts';
import { type MachineFlags, machineOptions, warnOfWords, withMachineOptions } from './machine-options.ts';
import { addressWord, deviceName, duration, format } from './options.ts';

type Flags = MachineFlags & {
  readonly write?: boolean;
  readonly warm?: boolean;
  readonly time: number;
  readonly format: 'text' | 'json';
};

export function addExplain(program: Program): void {
  const command = program
    .command('explain')
    .description('where a DMA of a device lands or why not, with every step of the walk')
    .addArgument(new Argument('<device>', 'a name or an address: nic0, 03:00.0').argParser(deviceName))
    .addArgument(
      new Argument(
        '<address>',
        'what the device asks for: 0x1000000, or the buffer that --exec "map nic0" mapped',
      ).argParser(addressWord),
    );
  withMachineOptions(command)
    .option('--write', 'a write; otherwise it is a read')
    .option('--warm', 'with what the unit has cached by then; otherwise its caches are empty')
    .addOption(
      new Option('--time <duration>', 'simulated time before it, so that drivers have set up their devices')
        .argParser(duration)
        .default(1e6, '1ms'),
    )
    .addOption(format('text', 'json').default('text'))
    .action((device: string, address: string, flags: Flags) => {
      const type = flags.write === true ? 'write' : 'read';
      const machine = machineOptions(flags);
      warnOfWords(machine);
      const answer = ask({
        machine,
        commands: flags.exec,
        timeNs: flags.time,
        warm: flags.warm === true,
        device,
        address,
        type,
      });
      process.stdout.write(flags.format === 'json' ? explainedJson(answer) : explainedText(answer));
      for (const refusal of answer.refusals) process.stderr.write(`dmascope: refused: ${refusal}\n`);
    });
}
