/** The dashboard over a snapshot that stands still, to be started in a pseudo-terminal. */
import { startDashboard } from '../../source/ui/start.tsx';
import { running } from './fixture.ts';
import { MemorySource } from './memory-source.ts';

const [theme, trouble] = process.argv.slice(2);

const source = new MemorySource(running);
if (trouble === 'crash') {
  source.send = () => {
    source.show({ devices: null as never });
  };
}
const { exitCode } = await startDashboard(source, { theme });
console.log(source.stopped ? 'source stopped' : 'source left behind');
process.exitCode = exitCode;
